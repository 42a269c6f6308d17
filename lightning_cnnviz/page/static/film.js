// The same sample over all epochs.

import { nameOf } from "./axis.js";
import { answerOf, captionLines, sampleTitle } from "./captions.js";
import { columnsOf, figure } from "./cells.js";
import { element, select } from "./dom.js";
import { tagsOf } from "./samples.js";
import { readSample, sampleName } from "./sets.js";

const MOST_FRAMES = 60;

export async function showFilm(view) {
  const tags = [...new Map(view.runs.flatMap((run) => tagsOf(run, true)).map((item) => [item.tag, item])).values()];
  if (!tags.length) return [element("p", {}, "No maps of samples were recorded.")];
  const preferred = tags.find((item) => item.over) ?? tags[0];
  const [tag, wanted] = view.state.film.split("\n");
  const item = tags.find((one) => one.tag === tag) ?? preferred;
  const columns = [...new Set(view.runs.flatMap((run) => run.looks.flatMap((look) => (run.item(look, item.tag) ? columnsOf(run.item(look, item.tag)) : []))))];
  const column = columns.includes(wanted) ? wanted : columns[0];
  const controls = element("div", { className: "bar" },
    select("Film of", tags.map((one) => [one.tag, one.tag]), item.tag, (chosen) => view.set({ film: chosen })),
    columns.length > 1 ? select("Channel", columns.map((name) => [name, name]), column, (chosen) => view.set({ film: `${item.tag}\n${chosen}` })) : null);
  return [controls, ...view.runs.map((run) => films(view, run, item.tag, column))];
}

function films(view, run, tag, column) {
  const looks = thinned(run.looks.filter((look) => run.item(look, tag)), run.at(view.place));
  const count = Math.max(0, ...looks.map((look) => run.item(look, tag).shape[0]));
  const set = looks.length ? run.setOf(looks[0], run.item(looks[0], tag).group) : 0;
  const wanted = readSample(view.state.sample);
  const samples = wanted === null || wanted.set !== set ? Array.from({ length: count }, (_, i) => i) : [wanted.sample];
  const strips = samples.map((sample) => strip(view, run, looks, tag, column, set, sample));
  return element("section", { className: "run wide-run", "aria-label": run.name }, view.runs.length > 1 ? element("h2", {}, run.name) : null, strips);
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
      frame.replaceChildren(drawn, element("span", { className: "when" }, nameOf(look)), ...captionLines(answerOf(run, look, set, sample)).slice(0, 1));
    });
    return frame;
  });
  const line = element("div", { className: "film", role: "group", "aria-label": label }, frames);
  queueMicrotask(() => line.querySelector("[aria-current]")?.scrollIntoView?.({ block: "nearest", inline: "nearest" }));
  return element("div", { className: "strip" }, element("h3", {}, label), line);
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
