// One run as the page knows it: its looks on the axis of epochs.

import { inOrder } from "./axis.js";

const WINDOW = 50;

export class Run {
  looks = [];
  setups = new Map();
  pictures = {};
  #loaded = null;

  constructor(source, name) {
    [this.source, this.name] = [source, name];
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
    this.looks = inOrder(this.looks);
    for (const look of this.looks) {
      for (const { setup } of look.groups) {
        if (!this.setups.has(setup)) this.setups.set(setup, await this.source.setup(this.name, setup));
      }
    }
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

  setupOf(look, group = 0) {
    return this.setups.get(look?.groups[group]?.setup) ?? null;
  }

  /** The color table that a view chose, as the record holds it. */
  table(name) {
    for (const setup of this.setups.values()) if (setup.colormaps[name]) return setup.colormaps[name];
    return null;
  }
}
