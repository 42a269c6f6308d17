// Numbers to pixels, by the same rules as the pictures drawn in Python.

import { short } from "./dom.js";

const MAGENTA = pack(255, 0, 255);

/** One pixel as it lies in memory; every machine with a browser of today is little-endian. */
function pack(red, green, blue, opacity = 255) {
  return ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** A table of 256 colors from base64 of 768 bytes. */
export function colorTable(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
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
  const bad = maps.reduce((sum, { values }) => sum + values.reduce((count, value) => count + Number.isNaN(value), 0), 0);
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
  const colors = packed(table, over && !isFlat(limits) ? (at) => (symmetric ? Math.abs(2 * at - 255) : at) : () => 255);
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

function fill(canvas, { height, width }, colorAt) {
  [canvas.width, canvas.height] = [width, height];
  const pixels = new ImageData(width, height);
  const words = new Uint32Array(pixels.data.buffer);
  for (let i = 0; i < words.length; i++) words[i] = colorAt(i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function packed(table, opacityAt) {
  return Uint32Array.from({ length: 256 }, (_, i) => pack(table[3 * i], table[3 * i + 1], table[3 * i + 2], opacityAt(i)));
}

/** Bilinear, with pixels as areas: the first and the last half pixel have the color of the border. */
export function enlarged({ values, height, width }, toHeight, toWidth) {
  const across = places(width, toWidth);
  const down = places(height, toHeight);
  const result = new Float32Array(toHeight * toWidth);
  for (let y = 0; y < toHeight; y++) {
    const [top, bottom, below] = down[y];
    for (let x = 0; x < toWidth; x++) {
      const [left, right, beside] = across[x];
      const upper = values[top * width + left] * (1 - beside) + values[top * width + right] * beside;
      const lower = values[bottom * width + left] * (1 - beside) + values[bottom * width + right] * beside;
      result[y * toWidth + x] = upper * (1 - below) + lower * below;
    }
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
