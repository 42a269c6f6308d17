// The same sample over all epochs.

import { nameOf } from "./axis.js";
import { answerOf, captionLines, runTitle, sampleTitle } from "./captions.js";
import { columnsOf, figure } from "./cells.js";
import { element, select } from "./dom.js";
import { reveal } from "./focus.js";
import { tagsOf } from "./samples.js";
import { alarmsOf } from "./record.js";
import { readSample, sampleName, setTitle, tagWithin } from "./sets.js";

const MOST_FRAMES = 60;

export async function showFilm(view) {
  const all = view.runs.flatMap((run) => run.sets.flatMap((set, i) => tagsOf(run, true, i).map((item) => [tagWithin(set, item.tag), item])));
  const items = new Map(all);
  if (!items.size) return [element("p", {}, "No maps of samples were recorded. Add CNNVisualizer() to the Trainer.")];
  const [tag, wantedColumn] = view.state.film.split("\n");
  const over = [...items].find(([, item]) => item.over)?.[0];
  const chosen = items.has(tag) ? tag : over ?? [...items.keys()][0];
  // Each run shows the channels that were the strongest in it.
  const columns = [...new Set(all.filter(([name]) => name === chosen).flatMap(([, item]) => columnsOf(item)))];
  const column = columns.includes(wantedColumn) ? wantedColumn : columns[0];
  const controls = element("div", { className: "bar" },
    select("Film of", [...items.keys()].map((name) => [name, name]), chosen, (film) => view.set({ film })),
    columns.length > 1 ? select("Channel", columns.map((name) => [name, name]), column, (name) => view.set({ film: `${chosen}\n${name}` })) : null);
  return [controls, ...view.runs.map((run) => films(view, run, chosen, column))];
}

function films(view, run, name, column) {
  const wanted = readSample(view.state.sample);
  const reels = run.sets.map((set, number) => {
    const item = tagsOf(run, true, number).find(({ tag }) => tagWithin(set, tag) === name);
    if (!item || (wanted !== null && wanted.set !== number)) return null;
    const looks = thinned(run.looks.filter((look) => run.item(look, item.tag)), run.at(view.place));
    const count = Math.max(0, ...looks.map((look) => run.item(look, item.tag).shape[0]));
    // Of samples that are not drawn at every look nothing is known here but their answers.
    const samples = wanted === null ? Array.from({ length: count }, (_, i) => i) : [wanted.sample];
    const rows = samples.map((sample) => strip(view, run, looks, item.tag, column, number, sample));
    const title = run.sets.length > 1 ? element("h3", {}, setTitle(set)) : null;
    return element("section", { className: "view" }, title, reel(view, run, set, looks, rows));
  });
  return element("section", { className: "run wide-run", "aria-label": run.name }, runTitle(view, run), reels);
}

/** All films of a set of samples below each other, so that they are moved together. */
function reel(view, run, set, looks, rows) {
  const now = run.at(view.place);
  const head = looks.map((look) => element("th", { scope: "col", "aria-current": look === now ? "true" : null }, nameOf(look), alarmsOf(look).length ? element("span", { className: "alarm", title: alarmsOf(look)[0] }, "!") : null));
  const table = element("table", { className: "reel" }, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "sample"), head)), element("tbody", {}, rows));
  const wide = element("div", { className: "wide film", tabIndex: 0, role: "group", "aria-label": `Film of ${run.name}, ${setTitle(set)}` }, table);
  requestAnimationFrame(() => reveal(wide));
  return wide;
}

/** So many that they can be told apart; early ones, late ones and the one chosen stay. */
function thinned(looks, chosen) {
  if (looks.length <= MOST_FRAMES) return looks;
  const last = looks.length - 1;
  const kept = new Set(Array.from({ length: MOST_FRAMES }, (_, i) => Math.round(last * (i / (MOST_FRAMES - 1)) ** 1.5)));
  return looks.filter((look, i) => kept.has(i) || look === chosen);
}

function strip(view, run, looks, tag, column, set, sample) {
  const now = run.at(view.place);
  const label = sampleTitle(run, set, sample);
  const frames = looks.map((look) => {
    const frame = element("button", { className: "film-frame", "data-key": `${run.name}/${sampleName(set, sample)}/${look.step}`, "aria-label": `${label}, ${nameOf(look)}`, onclick: () => view.go(look.place) });
    if (look === now) frame.setAttribute("aria-current", "true");
    whenSeen(frame, async () => {
      // From here on its contents name it.
      frame.removeAttribute("aria-label");
      const drawn = await figure(view, run, tag, sample, column, { place: look.place, side: 96 });
      frame.replaceChildren(drawn, ...captionLines(answerOf(run, look, set, sample)).slice(0, 1));
    });
    return element("td", {}, frame);
  });
  const alone = () => view.set({ sample: view.state.sample === "" ? sampleName(set, sample) : "" });
  const picture = run.sets[set].setup.urls[sample];
  const choose = element("button", { className: "plain", title: view.state.sample === "" ? "Show this sample alone" : "Show all samples", "data-key": `film/${run.name}/${sampleName(set, sample)}`, onclick: alone }, picture ? element("img", { src: picture, alt: "", className: "pixels" }) : null, label);
  return element("tr", {}, element("th", { scope: "row" }, choose), frames);
}

const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    target.fill();
  }
}, { rootMargin: "300px" });

function whenSeen(node, fill) {
  node.fill = fill;
  observer.observe(node);
}
