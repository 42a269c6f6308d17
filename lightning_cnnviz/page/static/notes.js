// What was written and what changed: alarms with the samples that moved most, flips, the table of the model.

import { nameOf } from "./axis.js";
import { runTitle, sampleFigure } from "./captions.js";
import { columnsOf, figure } from "./cells.js";
import { element } from "./dom.js";
import { markdown } from "./markdown.js";
import { sampleName } from "./sets.js";

const RANKS = [/(^|\/)alarms$/, /(^|\/)flips$/];

/** Of each tag the last one up to the chosen epoch; alarms and then flips come first. */
export async function showNotes(view) {
  return Promise.all(view.runs.map(async (run) => {
    const tags = [...new Set(run.looks.flatMap((look) => [...Object.keys(look.notes), ...look.items.filter(({ rows }) => rows).map(({ tag }) => tag)]))];
    tags.sort((one, other) => rank(one) - rank(other));
    const parts = (await Promise.all(tags.map((tag) => part(view, run, tag)))).filter((one) => one);
    const none = tags.length ? "Nothing was written up to this epoch." : "No notes were written.";
    return element("section", { className: "run", "aria-label": run.name }, runTitle(view, run), element("div", { className: "parts notes" }, parts.length ? parts : element("p", {}, none)));
  }));
}

function rank(tag) {
  const found = RANKS.findIndex((pattern) => pattern.test(tag));
  return found < 0 ? RANKS.length : found;
}

async function part(view, run, tag) {
  const look = run.looks.findLast((one) => one.place <= view.place + 1e-9 && (tag in one.notes || run.item(one, tag)?.rows));
  if (!look) return null;
  const item = run.item(look, tag);
  const heading = element("h3", { className: look.place === view.place ? "" : "past" }, tag, element("span", { className: "note" }, look.place === view.place ? nameOf(look) : `last at ${nameOf(look)}`));
  // What is to be seen comes before the tables of its numbers.
  const [first, ...others] = (look.notes[tag] ?? "").split(/\n\s*\n/);
  return element("section", { className: "view" }, heading, markdown(first), item?.rows ? await sheet(view, run, look, item) : null, markdown(others.join("\n\n")));
}

/** Chosen samples with their maps before and after. */
async function sheet(view, run, look, item) {
  const set = run.setOf(look, item.group);
  const columns = columnsOf(item);
  const rows = await Promise.all(item.rows.map(async (sample, row) => {
    const captions = columns.map((_, i) => item.labels[row]?.[i] ?? "");
    const cells = await Promise.all(columns.map((name, i) => figure(view, run, item.tag, sample, name, { caption: captions[i], place: look.place })));
    const open = () => view.set({ view: "film", sample: sampleName(set, sample) });
    const choose = element("button", { className: "plain", title: "Show the film of this sample", "data-key": `${item.tag}/${run.name}/${sampleName(set, sample)}`, onclick: open }, sampleFigure(run, look, set, sample));
    return element("tr", {}, element("th", { scope: "row" }, choose), cells.map((cell) => element("td", {}, cell)));
  }));
  const head = element("tr", {}, element("th", { scope: "col" }, "sample"), columns.map((name) => element("th", { scope: "col" }, name)));
  const table = element("table", { className: "sheet" }, element("caption", {}, item.title), element("thead", {}, head), element("tbody", {}, rows));
  return element("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": `${item.title} of ${run.name}` }, table);
}
