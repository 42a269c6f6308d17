// What was asked for is kept as long as there is room, and what is wanted at one moment is asked for at once.

/** Makes something once; what failed or is not there is asked for again. */
export function remembered(map, key, make) {
  if (!map.has(key)) {
    const made = make();
    map.set(key, made);
    made.then((found) => found ?? map.delete(key), () => map.delete(key));
  }
  return map.get(key);
}

/** Keeps the answers asked for last, up to so many bytes, so that going back costs nothing and memory stays bounded. */
export class Recent {
  #kept = new Map();
  #size = 0;

  constructor(most) {
    this.most = most;
  }

  get(key, size, make) {
    const known = this.#kept.get(key);
    const one = known ?? { size, answer: make() };
    this.#kept.delete(key);
    this.#kept.set(key, one); // the one asked for last stands last
    if (!known) {
      this.#size += size;
      one.answer.catch(() => this.#forget(key, one));
    }
    for (const [oldest, other] of this.#kept) {
      if (this.#size <= this.most || other === one) break;
      this.#forget(oldest, other);
    }
    return one.answer;
  }

  #forget(key, one) {
    if (this.#kept.get(key) !== one) return;
    this.#kept.delete(key);
    this.#size -= one.size;
  }
}

/** Gathers what is wanted at one moment into one request; into several where it is much.
 * `ask` takes a list of keys and answers a promise of a list as long. */
export class Together {
  #wanted = new Map();

  constructor(ask, { mostKeys, mostBytes }) {
    Object.assign(this, { ask, mostKeys, mostBytes });
  }

  /** One answer; `size` is how many bytes it may have. */
  get(key, size) {
    if (!this.#wanted.size) setTimeout(() => this.#send());
    if (!this.#wanted.has(key)) this.#wanted.set(key, { key, size, ...Promise.withResolvers() });
    return this.#wanted.get(key).promise;
  }

  #send() {
    let [part, bytes] = [[], 0];
    for (const one of this.#wanted.values()) {
      if (part.length && (part.length >= this.mostKeys || bytes + one.size > this.mostBytes)) {
        this.#request(part);
        [part, bytes] = [[], 0];
      }
      part.push(one);
      bytes += one.size;
    }
    this.#request(part);
    this.#wanted = new Map();
  }

  async #request(part) {
    try {
      const found = await this.ask(part.map(({ key }) => key));
      part.forEach(({ resolve }, i) => resolve(found[i]));
    } catch (error) {
      part.forEach(({ reject }) => reject(error));
    }
  }
}
