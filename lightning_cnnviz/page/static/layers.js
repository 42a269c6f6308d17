// Layers × epochs: what moved when, and where it alarmed.

import { nameOf } from "./axis.js";
import { COLORMAPS } from "./colormaps.js";
import { runTitle } from "./captions.js";
import { element, select, short } from "./dom.js";
import { reveal } from "./focus.js";
import { colorTable } from "./paint.js";
import { tiles } from "./others.js";
import { WHOLE, alarmsOf, driftOf } from "./record.js";
import { table, tagsOf } from "./samples.js";

const [LEAST, MOST] = [0.001, 1];
const TABLE = colorTable(COLORMAPS.magma);

export async function showLayers(view) {
  const numbers = view.runs.flatMap((run) => run.looks.flatMap(driftOf));
  if (!numbers.length) return [element("p", {}, "No drift was recorded. Add DriftCallback() to the Trainer, or Drift() to the views.")];
  const families = [...new Set(numbers.map(familyOf))];
  const family = families.includes(view.state.family) ? view.state.family : families[0];
  return [
    element("div", { className: "bar" }, select("Drift of", families.map((name) => [name, name]), family, (chosen) => view.set({ family: chosen })), legend()),
    ...(await Promise.all(view.runs.map(async (run) => element("section", { className: "run wide-run", "aria-label": run.name }, runTitle(view, run), grid(view, run, family), await ofLayer(view, run))))),
  ];
}

/** What was recorded of the chosen layer, at the chosen epoch. */
async function ofLayer(view, run) {
  const { layer } = view.state;
  if (layer === "" || layer === WHOLE) return element("p", { className: "note" }, "Choose a cell to see what was recorded of its layer.");
  const isOfLayer = ({ tag }) => tag.endsWith(`/${layer}`);
  const samples = await Promise.all(run.sets.map((_, set) => table(view, run, set, isOfLayer)));
  const others = await Promise.all(tagsOf(run, false).filter(isOfLayer).map(({ tag }) => tiles(view, run, tag)));
  const found = [...samples, ...others].filter((one) => one);
  const none = element("p", { className: "note" }, `No maps of ${layer} were recorded: name it in FeatureMaps("${layer}") or Filters("${layer}").`);
  return element("section", { className: "view" }, element("h3", {}, layer, element("span", { className: "note" }, nameOf(run.at(view.place)))), found.length ? element("div", { className: "parts" }, found) : none);
}

function familyOf({ of, family, reference }) {
  return `${of ? `${of}: ` : ""}${family} since ${reference}`;
}

function legend() {
  const stops = [0, 51, 102, 153, 204, 255].map((at) => color(at));
  return element("span", { className: "legend" }, `${LEAST}`, element("span", { className: "ramp", style: { background: `linear-gradient(to right, ${stops.join(", ")})` } }), `${MOST}, logarithmic`);
}

function grid(view, run, family) {
  const rows = new Map();
  for (const look of run.looks) {
    for (const number of driftOf(look)) {
      if (familyOf(number) !== family) continue;
      if (!rows.has(number.layer)) rows.set(number.layer, new Map());
      rows.get(number.layer).set(look, number.value);
    }
  }
  const now = run.at(view.place);
  const current = (look) => (look === now ? "true" : null);
  const alarms = run.looks.map((look) => element("td", {}, alarmsOf(look).length ? element("button", { className: "alarm", title: alarmsOf(look)[0], "aria-label": `Alarm at ${nameOf(look)}`, onclick: () => view.set({ view: "notes" }, look.place) }, "!") : null));
  const head = run.looks.map((look) => element("th", { scope: "col", "aria-current": current(look) }, look.epoch ?? (look.place < 0 ? "start" : look.step)));
  const body = [...rows].map(([layer, values]) => {
    const cells = run.looks.map((look) => cell(view, run, layer, look, values.get(look), current(look)));
    return element("tr", { className: layer === view.state.layer ? "chosen" : "" }, element("th", { scope: "row" }, layer), cells);
  });
  const heat = element("table", { className: run.looks.length > 40 ? "heat dense" : "heat" },
    element("caption", {}, `${family}: each layer at each epoch`),
    element("thead", {}, element("tr", {}, element("th", { scope: "row" }, "epoch"), head), element("tr", {}, element("th", { scope: "row" }, "alarms"), alarms)),
    element("tbody", { onkeydown: walk }, body));
  const wide = element("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": `Drift of ${run.name}` }, heat);
  requestAnimationFrame(() => reveal(wide));
  return wide;
}

function cell(view, run, layer, look, value, current) {
  if (value === undefined) return element("td", {});
  const text = `${layer}, ${nameOf(look)}: ${short(value)}`;
  const go = () => view.set({ layer }, look.place);
  const button = element("button", { className: "heat-cell", title: text, "aria-label": text, "aria-current": current, tabIndex: current && layer === (view.state.layer || layer) ? 0 : -1, "data-key": `${run.name}/${layer}/${look.step}`, onclick: go, style: { "background-color": color(levelOf(value)) } });
  return element("td", {}, button);
}

function levelOf(value) {
  const unit = Math.log(Math.max(value, LEAST) / LEAST) / Math.log(MOST / LEAST);
  return Math.round(255 * Math.min(1, unit || 0));
}

function color(at) {
  return `rgb(${TABLE[3 * at]}, ${TABLE[3 * at + 1]}, ${TABLE[3 * at + 2]})`;
}

/** Arrow keys walk through the cells. */
function walk(event) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const step = steps[event.key];
  const place = event.target.closest("td");
  if (!step || !place) return;
  event.preventDefault();
  event.stopPropagation();
  const rows = [...event.currentTarget.rows];
  const row = rows[rows.indexOf(place.parentElement) + step[0]];
  row?.cells[place.cellIndex + step[1]]?.querySelector("button")?.focus();
}
