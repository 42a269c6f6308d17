// Samples × views: each sample with its maps at the chosen epoch.

import { nameOf } from "./axis.js";
import { classLegend, help, runTitle, sampleFigure } from "./captions.js";
import { columnsOf, figure } from "./cells.js";
import { breakable, element } from "./dom.js";
import { PICTURES_ONLY } from "./pictures.js";
import { readSample, sampleName, setTitle, tagWithin } from "./sets.js";

const CHANNELS_IN_TABLE = 3;

export async function showSamples(view) {
  const chosen = readSample(view.state.sample);
  return Promise.all(view.runs.map(async (run) => {
    const wanted = chosen ?? (isSingle(run) ? { set: 0, sample: 0 } : null);
    return section(view, run, ...(wanted === null ? await tables(view, run) : [await one(view, run, wanted)]));
  }));
}

/** A table of one row would be wide and empty. */
function isSingle({ sets }) {
  return sets.length === 1 && sets[0].setup.urls.length === 1;
}

/** All items of a run by tag; what lies over the pictures comes first: it is the answer, or says where the model looks. */
export function tagsOf(run, ofSamples, set = null) {
  const tags = new Map();
  for (const look of run.looks) {
    for (const item of look.items) {
      // What shows chosen samples only, as those that changed their class, stands with the notes.
      if (item.rows || (item.group !== null) !== ofSamples || (ofSamples && run.setOf(look, item.group) < 0)) continue;
      if (set === null || run.setOf(look, item.group) === set) tags.set(item.tag, item);
    }
  }
  const rank = (item) => (item.classes ? 0 : item.over ? (item.smooth ? 1 : 2) : 3);
  return [...tags.values()].sort((one, other) => rank(one) - rank(other));
}

function section(view, run, ...children) {
  return element("section", { className: "run", "aria-label": run.name }, runTitle(view, run), element("div", { className: "parts" }, ...children));
}

async function tables(view, run) {
  if (!run.sets.length) return [element("p", {}, run.looks.length ? "No samples were recorded." : PICTURES_ONLY)];
  const drawn = await Promise.all(run.sets.map((_, set) => table(view, run, set)));
  if (!drawn.some((one) => one)) return [element("div", { className: "cells" }, run.sets.flatMap(({ setup }, set) => setup.urls.map((_, sample) => sampleFigure(run, run.at(view.place), set, sample))))];
  if (run.sets.length === 1) return drawn;
  return drawn.map((one, set) => (one ? element("section", { className: "view" }, element("h3", {}, setTitle(run.sets[set])), one) : null));
}

/** The samples of a set with their maps; null where none of the wanted ones was ever recorded. */
export async function table(view, run, set, isWanted = () => true) {
  const look = run.at(view.place);
  const found = tagsOf(run, true, set).filter(isWanted).map(({ tag }) => ({ tag, ...run.find(tag, view.place) }));
  const columns = (await Promise.all(found.map(async ({ tag, look: drawn, item }) => (await strongest(run, drawn, item)).map((name) => ({ tag, name, item, drawn }))))).flat();
  if (!columns.length) return null;
  const count = Math.max(...columns.map(({ item }) => item.shape[0]));
  const head = columns.map(({ tag, name, item, drawn }) =>
    element("th", { scope: "col" }, element("span", { className: "tag" }, breakable(tagWithin(run.sets[set], tag))), name ? element("span", { className: "column" }, name) : null, drawn.step === look.step ? null : element("span", { className: "note" }, `as of ${nameOf(drawn)}`), classLegend(item), help(run, drawn, item.view)),
  );
  const rows = Array.from({ length: count }, async (_, sample) => {
    const cells = await Promise.all(columns.map(({ tag, name }) => figure(view, run, tag, sample, name)));
    const chosen = sampleName(set, sample);
    const choose = element("button", { className: "plain", title: "Show this sample alone", "data-key": `${run.name}/${chosen}`, onclick: () => view.set({ sample: chosen }) }, sampleFigure(run, look, set, sample));
    return element("tr", {}, element("th", { scope: "row" }, choose), cells.map((cell) => element("td", {}, cell)));
  });
  const body = element("table", { className: "sheet" }, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "sample"), head)), element("tbody", {}, await Promise.all(rows)));
  const label = run.sets.length > 1 ? `Samples of ${run.name}, ${setTitle(run.sets[set])}` : `Samples of ${run.name}`;
  return element("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": label }, body);
}

/** Of many channels the strongest, in their own order. */
async function strongest(run, look, item) {
  const names = columnsOf(item);
  const stack = await run.stack(look, item); // of few channels, too, so that all is asked for at one moment
  if (names.length <= CHANNELS_IN_TABLE) return names;
  const strength = names.map((name, map) => ({ name, map, mean: sum(item.shape[0], (sample) => stack.strength(sample, map * item.planes)) }));
  const best = strength.sort((a, b) => b.mean - a.mean).slice(0, CHANNELS_IN_TABLE);
  return best.sort((a, b) => a.map - b.map).map(({ name }) => name);
}

function sum(count, value) {
  let total = 0;
  for (let i = 0; i < count; i++) total += value(i);
  return total;
}

async function one(view, run, { set, sample }) {
  const look = run.at(view.place);
  const groups = tagsOf(run, true, set).map(async ({ tag }) => {
    const { look: drawn, item } = run.find(tag, view.place);
    const cells = await Promise.all(columnsOf(item).map((name) => figure(view, run, tag, sample, name, { side: 256, caption: name })));
    return element("section", { className: "view" }, element("h3", {}, item.title || tag, help(run, drawn, item.view)), classLegend(item), element("div", { className: cells.length > 1 ? "cells" : "cells large" }, cells));
  });
  return element("div", { className: "one" }, sampleFigure(run, look, set, sample), ...(await Promise.all(groups)));
}
