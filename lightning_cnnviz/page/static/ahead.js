// What is likely to be looked at next is read before it is asked for.

const AT_REST = 3;

export class Ahead {
  #last = 0;
  #direction = -1;

  /** Reads the next epoch in the direction of the last step while steps follow each other, and more once they rest. */
  async read({ runs, axis, place }, isResting, isOutdated) {
    const at = axis.indexOf(place);
    if (at !== this.#last) this.#direction = at < this.#last ? -1 : 1;
    if (at === 0) this.#direction = 1;
    if (at === axis.length - 1) this.#direction = -1;
    this.#last = at;
    for (let step = 1; step <= (isResting ? AT_REST : 1) && !isOutdated(); step++) {
      const next = axis[at + this.#direction * step];
      if (next !== undefined) await Promise.all(runs.map((run) => run.prepare(next))).catch(() => null);
    }
  }
}
