// The record as docs/record.md describes it: blobs to numbers.

export const VERSION = 1;

/** Decompresses zlib; answers a Uint8Array. */
export async function inflate(bytes) {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  // What is wrong with the bytes shows where they are read.
  Promise.all([writer.write(bytes), writer.close()]).catch(() => null);
  return new Uint8Array(await new Response(stream.readable).arrayBuffer());
}

/** Decompresses and reads JSON. */
export async function readJson(bytes) {
  return JSON.parse(new TextDecoder().decode(await inflate(bytes)));
}

/** JSON has no NaN and no infinity: the record has them as words. */
export function numeric(value) {
  return typeof value === "number" ? value : Number(value);
}

/** How many bytes the numbers of an item are once they are decompressed. */
export function bytesOfStack({ shape: [samples, maps, height, width], bits }) {
  return samples * maps * (8 + (height * width * bits) / 8);
}

/** Quantized maps of one item: (S, K, h, w) with a range for each. */
export class Stack {
  constructor(item, bytes) {
    const [samples, maps, height, width] = item.shape;
    this.item = item;
    [this.samples, this.maps, this.height, this.width] = [samples, maps, height, width];
    const ranges = 8 * samples * maps;
    this.ranges = new Float32Array(bytes.slice(0, ranges).buffer);
    const levels = bytes.slice(ranges);
    this.levels = item.bits === 16 ? new Uint16Array(levels.buffer) : levels;
    this.strengths = [];
    this.notFinite = item.bits === 16 ? 65535 : 255;
  }

  /** Lowest and highest value of one map. */
  range(sample, map) {
    const at = 2 * (sample * this.maps + map);
    return [this.ranges[at], this.ranges[at + 1]];
  }

  /** The values of one map, NaN where they are not finite, and how many are not. */
  map(sample, map) {
    const { height, width, levels, notFinite } = this;
    const { start, low, step } = this.#scale(sample, map);
    const values = new Float32Array(height * width);
    let bad = 0;
    for (let i = 0; i < values.length; i++) {
      const level = levels[start + i];
      if (level === notFinite) {
        values[i] = NaN;
        bad++;
      } else values[i] = low + level * step;
    }
    return { values, height, width, bad };
  }

  /** Mean magnitude of one map: which channel answers most. */
  strength(sample, map) {
    const at = sample * this.maps + map;
    this.strengths[at] ??= this.#meanMagnitude(sample, map);
    return this.strengths[at];
  }

  #meanMagnitude(sample, map) {
    const size = this.height * this.width;
    const { start, low, step } = this.#scale(sample, map);
    let total = 0;
    for (let i = start; i < start + size; i++) if (this.levels[i] !== this.notFinite) total += Math.abs(low + this.levels[i] * step);
    return total / size;
  }

  /** Where the levels of one map start, and what they stand for. */
  #scale(sample, map) {
    const [low, high] = this.range(sample, map);
    return { start: (sample * this.maps + map) * this.height * this.width, low, step: (high - low) / (this.notFinite - 1) };
  }
}

/** What alarms a look has, as Markdown. */
export function alarmsOf(look) {
  return Object.entries(look.notes).filter(([tag]) => /(^|\/)alarms$/.test(tag)).map(([, text]) => text);
}

const DRIFT = /^(.*?)drift(?:_layers)?\/(.+)$/;
/** What stands for the model as a whole beside its layers. */
export const WHOLE = "output";
const OF_THE_WHOLE = ["predictions", "flips"];

/** The drift numbers of a look: whose, family, layer, reference and value. Means over layers, which have no reference, are left out. */
export function driftOf(look) {
  const numbers = [];
  for (const [tag, given] of Object.entries(look.scalars)) {
    const match = DRIFT.exec(tag);
    const parts = match ? match[2].split("/") : [];
    const whole = OF_THE_WHOLE.includes(parts[0]);
    if (parts.length !== (whole ? 2 : 3)) continue;
    const [family, layer, reference] = whole ? [parts[0], WHOLE, parts[1]] : parts;
    numbers.push({ of: match[1].replace(/\/$/, ""), family, layer, reference, value: numeric(given) });
  }
  return numbers;
}
