// Numbers to pixels, by the same rules as the pictures drawn in Python.

import { bytesOf, short } from "./dom.js";

const MAGENTA = pack(255, 0, 255);

/** One pixel as it lies in memory; every machine with a browser of today is little-endian. */
function pack(red, green, blue, opacity = 255) {
  return ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

const tables = new Map();

/** A table of 256 colors from base64 of 768 bytes; the same object for the same text. */
export function colorTable(base64) {
  if (!tables.has(base64)) tables.set(base64, bytesOf(base64));
  return tables.get(base64);
}

/** Limits that are symmetric about zero where that is meant. */
export function mirrored([low, high], symmetric) {
  const most = Math.max(-low, high);
  return symmetric ? [-most, most] : [low, high];
}

/** The union of ranges, without those that have no finite value. */
export function union(ranges) {
  let [low, high] = [Infinity, -Infinity];
  for (const [from, to] of ranges) {
    if (Number.isFinite(from)) low = Math.min(low, from);
    if (Number.isFinite(to)) high = Math.max(high, to);
  }
  return low <= high ? [low, high] : [NaN, NaN];
}

function isFlat([low, high]) {
  return !(high - low > 1e-6 * Math.max(Math.abs(low), Math.abs(high)));
}

/** What is wrong with maps that have nothing, or not everything, to show. */
export function defectOf(maps, range) {
  const total = maps.reduce((sum, { values }) => sum + values.length, 0);
  const bad = maps.reduce((sum, map) => sum + map.bad, 0);
  if (bad === total) return "not finite";
  const some = bad ? `${Math.min(99, Math.max(1, Math.round((100 * bad) / total)))}% not finite` : "";
  const flat = isFlat(range) ? (range[1] === 0 ? "all 0" : `constant ${short(range[1])}`) : "";
  return [some, flat].filter(Boolean).join(", ");
}

/** A function from values to rows of the color table, 0 to 255. */
function levels([low, high], symmetric) {
  if (isFlat([low, high])) {
    const row = high === 0 && !symmetric ? 0 : 128;
    return () => row;
  }
  const step = 255 / (high - low);
  return (value) => {
    const row = (value - low) * step;
    return row <= 0 ? 0 : row >= 255 ? 255 : Math.floor(row + 0.5);
  };
}

/** Paints one map (values, height, width) in its own resolution, or enlarged by interpolating the numbers.
 * A map that lies over a picture is the more transparent the lower it is: what is low should not tint what lies below. */
export function paintMap(canvas, map, limits, table, { symmetric = false, size = null, over = false } = {}) {
  const shown = size ? enlarged(map, size[0], size[1]) : map;
  const isConstant = isFlat(limits) && limits[1] !== 0;
  const colors = packed(table, over && !isConstant ? (symmetric ? "away from zero" : "high") : "all");
  const level = levels(limits, symmetric);
  fill(canvas, shown, (i) => {
    const value = shown.values[i];
    return value !== value ? MAGENTA : colors[level(value)]; // NaN alone differs from itself
  });
}

/** Paints three maps as red, green and blue. */
export function paintColors(canvas, [red, green, blue], limits, symmetric) {
  const level = levels(limits, symmetric);
  fill(canvas, red, (i) => {
    const [r, g, b] = [red.values[i], green.values[i], blue.values[i]];
    if (Number.isNaN(r + g + b)) return MAGENTA;
    return pack(level(r), level(g), level(b));
  });
}

/** Paints the class of each place in its color, and nothing where there is none. */
export function paintClasses(canvas, map, classes) {
  const colors = new Map(classes.map(([index, , color]) => [index, pack(...[1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)))]));
  fill(canvas, map, (i) => colors.get(Math.round(map.values[i])) ?? 0);
}

function fill(canvas, { height, width }, colorAt) {
  [canvas.width, canvas.height] = [width, height];
  const pixels = sheetOf(height, width);
  const words = new Uint32Array(pixels.data.buffer);
  for (let i = 0; i < words.length; i++) words[i] = colorAt(i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

let sheet = null;

/** Pixels to be filled and put somewhere at once: most maps in turn are of one size. */
function sheetOf(height, width) {
  if (sheet?.height !== height || sheet.width !== width) sheet = new ImageData(width, height);
  return sheet;
}

const OPACITIES = { all: () => 255, high: (at) => at, "away from zero": (at) => Math.abs(2 * at - 255) };
const packings = new WeakMap();

/** A table as 256 pixels; what of it is opaque is one of `OPACITIES`. */
function packed(table, opaque) {
  if (!packings.has(table)) packings.set(table, {});
  const known = packings.get(table);
  known[opaque] ??= Uint32Array.from({ length: 256 }, (_, i) => pack(table[3 * i], table[3 * i + 1], table[3 * i + 2], OPACITIES[opaque](i)));
  return known[opaque];
}

/** Bilinear, with pixels as areas: the first and the last half pixel have the color of the border. */
export function enlarged({ values, height, width }, toHeight, toWidth) {
  const across = places(width, toWidth);
  const down = places(height, toHeight);
  const wide = new Float32Array(height * toWidth);
  for (let x = 0; x < toWidth; x++) {
    const [left, right, beside] = across[x];
    for (let y = 0; y < height; y++) wide[y * toWidth + x] = values[y * width + left] * (1 - beside) + values[y * width + right] * beside;
  }
  const result = new Float32Array(toHeight * toWidth);
  for (let y = 0; y < toHeight; y++) {
    const [top, bottom, below] = down[y];
    const [above, under, at] = [top * toWidth, bottom * toWidth, y * toWidth];
    for (let x = 0; x < toWidth; x++) result[at + x] = wide[above + x] * (1 - below) + wide[under + x] * below;
  }
  return { values: result, height: toHeight, width: toWidth };
}

function places(from, to) {
  return Array.from({ length: to }, (_, i) => {
    const place = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const first = Math.floor(place);
    return [first, Math.min(from - 1, first + 1), place - first];
  });
}
