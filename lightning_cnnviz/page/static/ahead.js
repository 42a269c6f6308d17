// What is likely to be looked at next is read before it is asked for.

const EPOCHS = 3;

export class Ahead {
  #last = 0;
  #direction = -1;

  /** Takes notice of where the reader is; answers whether this was one step, as of somebody who goes on like this. */
  notice({ axis, place }) {
    const at = axis.indexOf(place);
    const moved = at - this.#last;
    if (moved) this.#direction = Math.sign(moved);
    if (at === 0) this.#direction = 1;
    if (at === axis.length - 1) this.#direction = -1;
    this.#last = at;
    return Math.abs(moved) === 1;
  }

  /** Reads the next epochs in the direction of the last step. */
  read({ runs, axis }) {
    for (let step = 1; step <= EPOCHS; step++) {
      const next = axis[this.#last + this.#direction * step];
      if (next !== undefined) for (const run of runs) run.prepare(next).catch(() => null);
    }
  }
}
