// Samples × views: each sample with its maps at the chosen epoch.

import { nameOf } from "./axis.js";
import { help, sampleFigure } from "./captions.js";
import { columnsOf, figure } from "./cells.js";
import { breakable, element } from "./dom.js";

const CHANNELS_IN_TABLE = 3;

export async function showSamples(view) {
  return Promise.all(view.runs.map((run) => (view.state.sample === "" ? table(view, run) : one(view, run, Number(view.state.sample)))));
}

/** All items of a run by tag; what lies over the pictures comes first, since it says where the model looks. */
export function tagsOf(run, ofSamples) {
  const tags = new Map();
  for (const look of run.looks) for (const item of look.items) if ((item.group !== null) === ofSamples) tags.set(item.tag, item);
  const rank = (item) => (item.over ? (item.smooth ? 0 : 1) : 2);
  return [...tags.values()].sort((one, other) => rank(one) - rank(other));
}

function section(view, run, ...children) {
  return element("section", { className: "run", "aria-label": run.name }, view.runs.length > 1 ? element("h2", {}, run.name) : null, ...children);
}

async function table(view, run) {
  const look = run.at(view.place);
  const columns = [];
  for (const { tag } of tagsOf(run, true)) {
    const drawn = run.lookWith(tag, view.place);
    const item = run.item(drawn, tag);
    for (const name of await strongest(run, drawn, item)) columns.push({ tag, name, item, drawn });
  }
  const pictures = Math.max(run.setupOf(look)?.urls.length ?? 0, ...columns.map(({ item }) => item.shape[0]), 0);
  const head = columns.map(({ tag, name, item, drawn }) =>
    element("th", { scope: "col" }, element("span", { className: "tag" }, breakable(tag)), name ? element("span", { className: "column" }, name) : null, drawn.step === look.step ? null : element("span", { className: "note" }, `as of ${nameOf(drawn)}`), help(run.setupOf(drawn, item.group), item.view)),
  );
  const rows = Array.from({ length: pictures }, async (_, sample) => {
    const cells = await Promise.all(columns.map(({ tag, name }) => figure(view, run, tag, sample, name)));
    const choose = element("button", { className: "plain", title: "Show this sample alone", "data-key": `${run.name}/${sample}`, onclick: () => view.set({ sample: String(sample) }) }, sampleFigure(run, look, sample));
    return element("tr", {}, element("th", { scope: "row" }, choose), cells.map((cell) => element("td", {}, cell)));
  });
  const body = element("table", { className: "sheet" }, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "sample"), head)), element("tbody", {}, await Promise.all(rows)));
  return section(view, run, element("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": `Samples of ${run.name}` }, body));
}

/** Of many channels the strongest, in their own order. */
async function strongest(run, look, item) {
  const names = columnsOf(item);
  if (names.length <= CHANNELS_IN_TABLE) return names;
  const stack = await run.stack(look, item);
  const strength = names.map((name, map) => ({ name, map, mean: sum(item.shape[0], (sample) => stack.strength(sample, map * item.planes)) }));
  const best = strength.sort((a, b) => b.mean - a.mean).slice(0, CHANNELS_IN_TABLE);
  return best.sort((a, b) => a.map - b.map).map(({ name }) => name);
}

function sum(count, value) {
  let total = 0;
  for (let i = 0; i < count; i++) total += value(i);
  return total;
}

async function one(view, run, sample) {
  const look = run.at(view.place);
  const groups = tagsOf(run, true).map(async ({ tag }) => {
    const drawn = run.lookWith(tag, view.place);
    const item = run.item(drawn, tag);
    const cells = await Promise.all(columnsOf(item).map((name) => figure(view, run, tag, sample, name, { side: 256, caption: name })));
    return element("section", { className: "view" }, element("h3", {}, item.title || tag, help(run.setupOf(drawn, item.group), item.view)), element("div", { className: cells.length > 1 ? "cells" : "cells large" }, cells));
  });
  return section(view, run, element("div", { className: "one" }, sampleFigure(run, look, sample), ...(await Promise.all(groups))));
}
