// One map in one cell: what it shows, and on which scale.

import { nameOf } from "./axis.js";
import { COLORMAPS } from "./colormaps.js";
import { element, short } from "./dom.js";
import { colorTable, defectOf, mirrored, paintClasses, paintColors, paintMap, union } from "./paint.js";
import { remember } from "./pointer.js";
import { numeric } from "./record.js";
import { paintInTime } from "./sight.js";

const DIFFERENCE_COLORS = "RdBu_r";

/** Columns of an item: one for each map, or for each three where they are colors. */
export function columnsOf(item) {
  return Array.from({ length: item.shape[1] / item.planes }, (_, i) => item.columns[i] ?? "");
}

/** Loads one cell; answers { maps, limits, symmetric, table, item, look }, or null where it was not recorded. */
async function readCell(view, run, tag, sample, column, place = view.place) {
  const found = run.find(tag, place);
  if (!found) return null;
  const { look, item } = found;
  const now = await readMaps(run, look, item, sample, column);
  if (!now) return null;
  const other = view.state.difference === "" || item.classes ? null : run.lookWith(tag, Number(view.state.difference));
  if (other === null) return { ...now, item, look, symmetric: item.symmetric, limits: limitsOf(view, run, look, item, now), table: tableOf(view, run, item) };
  const before = await readMaps(run, other, run.item(other, tag), sample, column);
  if (!before || before.maps[0].width !== now.maps[0].width) return null;
  const maps = now.maps.map((map, i) => minus(map, before.maps[i]));
  const most = differenceLimit(view, run, tag, maps);
  const range = union(maps.map(({ values }) => [values.reduce((a, b) => (b < a ? b : a), Infinity), values.reduce((a, b) => (b > a ? b : a), -Infinity)]));
  return { maps, range, item, look, other, symmetric: true, limits: [-most, most], table: colorTable(COLORMAPS[DIFFERENCE_COLORS]) };
}

async function readMaps(run, look, item, sample, column) {
  const index = columnsOf(item).indexOf(column);
  const row = item.group === null ? 0 : item.rows ? item.rows.indexOf(sample) : sample;
  if (index < 0 || row < 0 || row >= item.shape[0]) return null;
  const stack = await run.stack(look, item);
  const numbers = Array.from({ length: item.planes }, (_, plane) => index * item.planes + plane);
  return { maps: numbers.map((map) => stack.map(row, map)), range: union(numbers.map((map) => stack.range(row, map))) };
}

function minus(map, other) {
  const values = map.values.map((value, at) => value - other.values[at]);
  return { ...map, values, bad: values.reduce((count, value) => count + Number.isNaN(value), 0) };
}

function limitsOf(view, run, look, item, { range }) {
  if (item.limits && !view.state.scale) return item.limits.map(numeric);
  const scale = view.state.scale || (item.shared ? "epoch" : "map");
  if (scale === "map") return mirrored(union([range]), item.symmetric);
  // Runs side by side are on the same scale, or they could not be compared.
  const looks = view.runs.flatMap((one) => (scale === "run" ? one.looks : [one === run ? look : one.lookWith(item.tag, view.place)]));
  return mirrored(rangeOver(run, looks, item.tag), item.symmetric);
}

function differenceLimit(view, run, tag, maps) {
  let most = 0;
  for (const { values } of maps) for (const value of values) if (Math.abs(value) > most) most = Math.abs(value);
  if (!["run", "epoch"].includes(view.state.scale)) return most;
  const [low, high] = rangeOver(run, view.runs.flatMap((one) => one.looks), tag);
  return Number.isFinite(high - low) ? Math.max(high - low, most) : most;
}

function rangeOver(run, looks, tag) {
  return union(looks.map((look) => run.item(look, tag)?.range.map(Number) ?? []));
}

function tableOf(view, run, item) {
  const name = view.state.colormap || item.colormap;
  return colorTable(COLORMAPS[name] ?? run.table(name) ?? COLORMAPS.viridis);
}

/** A figure with the map, at another place than the chosen one if asked; `side` is the longest side in pixels of maps
 * that are enlarged smoothly. */
export async function figure(view, run, tag, sample, column, { side = 128, caption = "", place: asked = null } = {}) {
  const place = asked ?? view.place;
  const cell = await readCell(view, run, tag, sample, column, place);
  if (!cell) return withoutMap(run, tag, sample, caption, place);
  const setup = cell.item.over && cell.item.group !== null ? run.setupOf(cell.look, cell.item.group) : null;
  const picture = setup?.urls[sample];
  const canvas = element("canvas", { className: cell.item.smooth ? "smooth" : "pixels", role: "img", "aria-label": describe(cell, sample, column) });
  const painting = () => paint(canvas, cell, side, Boolean(picture));
  if (asked === null) paintInTime(canvas, [run.name, tag, sample, column, side].join("\n"), painting);
  else painting();
  if (picture && setup.boxes?.[sample]) layOver(canvas, setup.boxes[sample]);
  remember(canvas, cell, sample, column);
  const frame = element("div", { className: ["frame", picture && "over", cell.item.grey && "grey"].filter(Boolean).join(" ") }, picture ? element("img", { src: picture, alt: "" }) : null, canvas);
  const defect = cell.item.classes ? "" : defectOf(cell.maps, cell.range);
  if (defect) frame.append(element("span", { className: "defect" }, defect));
  return element("figure", { className: "cell" }, frame, caption ? element("figcaption", {}, caption) : null);
}

/** The picture alone, where of this sample no map was recorded. */
function withoutMap(run, tag, sample, caption, place) {
  const found = run.find(tag, place);
  const group = found?.item.group ?? null;
  const picture = group === null ? null : run.setupOf(found.look, group)?.urls[sample];
  if (!picture) return element("figure", { className: "cell missing" }, element("figcaption", {}, caption || "not recorded"));
  const image = element("img", { src: picture, alt: "", className: "pixels" });
  return element("figure", { className: "cell" }, element("div", { className: "frame" }, image, element("span", { className: "defect" }, "no map")), caption ? element("figcaption", {}, caption) : null);
}

/** Where in the picture lies what the model saw: edges in shares of it, left beyond right where it is mirrored. */
function layOver(canvas, [left, top, right, bottom]) {
  const share = (value) => `${100 * value}%`;
  const edges = { inset: "auto", left: share(Math.min(left, right)), top: share(Math.min(top, bottom)), width: share(Math.abs(right - left)), height: share(Math.abs(bottom - top)) };
  Object.assign(canvas.style, edges, { transform: `scale(${left < right ? 1 : -1}, ${top < bottom ? 1 : -1})` });
}

function paint(canvas, cell, side, over) {
  const [{ height, width }] = cell.maps;
  if (cell.item.classes) paintClasses(canvas, cell.maps[0], cell.item.classes);
  else if (cell.maps.length === 3) paintColors(canvas, cell.maps, cell.limits, cell.symmetric);
  else {
    const factor = side / Math.max(height, width);
    const size = cell.item.smooth && factor > 1 ? [Math.round(height * factor), Math.round(width * factor)] : null;
    paintMap(canvas, cell.maps[0], cell.limits, cell.table, { symmetric: cell.symmetric, size, over });
  }
}

function describe({ item, look, limits, other }, sample, column) {
  const of = [item.title || item.tag, item.group === null ? "" : `sample ${sample}`, column, nameOf(look)];
  if (item.classes) return of.filter(Boolean).join(", ");
  if (other) of.push(`difference to ${nameOf(other)}`);
  return `${of.filter(Boolean).join(", ")}; colors from ${short(limits[0])} to ${short(limits[1])}`;
}
