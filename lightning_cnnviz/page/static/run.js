// One run as the page knows it: its looks on the axis of epochs.

import { inOrder } from "./axis.js";
import { sampleSets } from "./sets.js";

const WINDOW = 50;

export class Run {
  looks = [];
  setups = new Map();
  sets = [];
  pictures = {};
  #loaded = null;

  constructor(source, { name, single = false }) {
    [this.source, this.name, this.single] = [source, name, single];
  }

  /** Loads the newest looks first and the others behind them; `more` is called after each part. */
  async load(count, more) {
    if (this.#loaded === null) {
      this.#loaded = Math.max(0, count - WINDOW);
      this.looks = await this.source.looks(this.name, this.#loaded, count);
      await this.#prepare();
      this.pictures = await this.source.pictures(this.name);
      more();
    }
    while (this.#loaded > 0) {
      const from = Math.max(0, this.#loaded - WINDOW);
      this.looks = [...(await this.source.looks(this.name, from, this.#loaded)), ...this.looks];
      this.#loaded = from;
      await this.#prepare();
      more();
    }
  }

  /** Loads what is new since. */
  async refresh(count) {
    const last = this.looks.at(-1)?.step ?? -1;
    const fresh = await this.source.looks(this.name, Math.max(0, count - WINDOW), count);
    const added = fresh.filter((look) => look.step > last);
    this.looks = [...this.looks, ...added];
    await this.#prepare();
    return added.length > 0;
  }

  async #prepare() {
    this.looks = inOrder(this.looks, this.single);
    for (const look of this.looks) {
      for (const id of [look.legend, ...look.groups.map(({ setup }) => setup)]) {
        if (!this.setups.has(id)) this.setups.set(id, await this.source.setup(this.name, id));
      }
    }
    this.sets = sampleSets(this.looks, this.setups);
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

  stack(look, item) {
    return this.source.stack(this.name, look, item);
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
