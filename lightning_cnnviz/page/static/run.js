// One run as the page knows it: its looks on the axis of epochs.

import { inOrder } from "./axis.js";
import { sampleSets } from "./sets.js";

const WINDOW = 50;
const FIRST_WINDOW = 10; // enough to see something

export class Run {
  looks = [];
  setups = new Map();
  sets = [];
  pictures = {};
  isIncomplete = false;
  asked = new Set(); // the tags whose numbers the page shows
  #loaded = 0;
  #first = null;
  #others = null;

  constructor(source, { name, single = false }) {
    [this.source, this.name, this.single] = [source, name, single];
  }

  /** Loads the newest looks, once. */
  load(count) {
    this.#first ??= this.#loadNewest(count).catch((error) => {
      this.#first = null;
      throw error;
    });
    return this.#first;
  }

  /** Loads the older ones and the pictures, once; `more` is called after each part. */
  loadOlder(more) {
    this.#others ??= this.#loadOlder(more).catch((error) => {
      this.#others = null;
      throw error;
    });
    return this.#others;
  }

  async #loadNewest(count) {
    this.#loaded = Math.max(0, count - FIRST_WINDOW);
    this.looks = await this.source.looks(this.name, this.#loaded, count);
    await this.#prepare();
  }

  async #loadOlder(more) {
    while (this.#loaded > 0) {
      const from = Math.max(0, this.#loaded - WINDOW);
      const older = await this.source.looks(this.name, from, this.#loaded);
      this.looks = [...older, ...this.looks];
      this.#loaded = from;
      await this.#prepare();
      await more();
    }
    this.pictures = await this.source.pictures(this.name);
    if (Object.keys(this.pictures).length) await more();
  }

  /** Loads what is new since; answers whether there was something. */
  async refresh(count) {
    const known = this.#loaded + this.looks.length;
    // The last ones again: a run that is resumed goes back to its checkpoint, and takes back what came after it.
    const from = count < known ? this.#loaded : Math.max(this.#loaded, known - FIRST_WINDOW);
    const fresh = await this.source.looks(this.name, from, count);
    const looks = [...this.looks.filter(({ step }) => fresh.length && step < fresh[0].step), ...fresh];
    const isSame = looks.length === this.looks.length && looks.every(({ step, time }, i) => step === this.looks[i].step && time === this.looks[i].time);
    if (isSame) return false;
    this.looks = looks;
    await this.#prepare();
    return true;
  }

  async #prepare() {
    this.looks = inOrder(this.looks, this.single);
    const ids = new Set(this.looks.flatMap((look) => [look.legend, ...look.groups.map(({ setup }) => setup)]));
    const missing = [...ids].filter((id) => !this.setups.has(id) || this.setups.get(id).isLost);
    const found = await Promise.all(missing.map((id) => this.source.setup(this.name, id)));
    missing.forEach((id, i) => this.setups.set(id, found[i] ?? this.#lost(id)));
    this.isIncomplete = [...this.setups.values()].some(({ isLost }) => isLost);
    this.sets = sampleSets(this.looks, this.setups);
  }

  /** Stands for a setup that was written to a file which is not there: samples without pictures and names. */
  #lost(id) {
    const counts = this.looks.flatMap(({ groups }) => groups.filter(({ setup }) => setup === id).map(({ shown, classes }) => classes?.length ?? shown));
    return { isLost: true, labels: null, class_names: null, boxes: null, keys: [id], descriptions: {}, urls: Array(Math.max(0, ...counts)).fill(null) };
  }

  /** The look shown at a place of the axis: the last one that is not after it, else the first. */
  at(place) {
    return this.looks.findLast((look) => look.place <= place + 1e-9) ?? this.looks[0] ?? null;
  }

  item(look, tag) {
    return look?.items.find((item) => item.tag === tag) ?? null;
  }

  /** The look that has an item, at a place or before: views may be drawn every n-th epoch only. */
  lookWith(tag, place) {
    const before = this.looks.findLast((look) => look.place <= place + 1e-9 && this.item(look, tag));
    return before ?? this.looks.find((look) => this.item(look, tag)) ?? null;
  }

  /** What a tag shows at a place: the item and the look that has it; null where it was never drawn. */
  find(tag, place) {
    const look = this.lookWith(tag, place);
    return look && { look, item: this.item(look, tag) };
  }

  stack(look, item) {
    this.asked.add(item.tag);
    return this.source.stack(this.name, look, item);
  }

  /** Reads what the page shows as of another place before it is asked for. */
  prepare(place) {
    const found = [...this.asked].map((tag) => this.find(tag, place)).filter((one) => one);
    return Promise.all(found.map(({ look, item }) => this.source.stack(this.name, look, item)));
  }

  /** Which set of samples a group of a look is about; -1 where it is about others. */
  setOf(look, group) {
    const asked = look?.groups[group];
    return asked && !asked.own ? this.sets.findIndex(({ ids }) => ids.has(asked.setup)) : -1;
  }

  /** The pictures that a group of a look is about. */
  setupOf(look, group) {
    return this.sets[this.setOf(look, group)]?.setup ?? this.setups.get(look?.groups[group]?.setup) ?? null;
  }

  /** How a view is read, as the look has it. */
  description(look, view) {
    return this.setups.get(look?.legend)?.descriptions[view] ?? null;
  }

  /** The color table that a view chose, as the record holds it. */
  table(name) {
    for (const setup of this.setups.values()) if (setup.colormaps?.[name]) return setup.colormaps[name];
    return null;
  }
}
