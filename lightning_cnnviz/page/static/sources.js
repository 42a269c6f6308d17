// Where the record comes from. Both sources answer the same questions:
//   runs()                 [{ name, looks, pictures, single }], the newest run last; looks and pictures are counts, single says
//                          that there is one look only, without a training around it
//   looks(run, from, to)   the JSON of these looks in the order of their steps
//   stack(run, look, item) the numbers of one item
//   setup(run, id)         samples, class names and descriptions, with `urls` of the pictures; null if there is no such
//   picture(look, blob)    the address of a finished picture of a look; null where it was left out
//   pictures(run)          { tag: [{ step, url }] } of all pictures beside the record
//   live                   whether asking again may bring more

import { bytesOf } from "./dom.js";
import { Stack, VERSION, inflate, readJson } from "./record.js";

const TOGETHER = 20; // blobs in one request, whose address must not grow without bound

/** Asks TensorBoard's plugin; addresses are relative to it. */
export class TensorBoardSource {
  live = true;
  #setups = new Map();
  #stacks = new Recent(400);
  #asked = [];

  async #get(route, query) {
    const response = await fetch(`${route}?${new URLSearchParams(query)}`);
    if (!response.ok) throw new Error(`TensorBoard answers ${response.status} for ${route}.`);
    return response;
  }

  /** What is asked for of a look at one time comes in one answer. A key says run, tag and step; a run that was resumed or
   * started anew may hold something else under it, hence `of`. */
  #blob(key, of) {
    return new Promise((found, failed) => {
      if (!this.#asked.length) queueMicrotask(() => this.#ask());
      this.#asked.push({ key, of, found, failed });
    });
  }

  #ask() {
    const looks = Map.groupBy(this.#asked.splice(0), ({ of }) => of);
    for (const [of, asked] of looks) for (let i = 0; i < asked.length; i += TOGETHER) this.#together(of, asked.slice(i, i + TOGETHER));
  }

  async #together(of, asked) {
    try {
      const blobs = parted(await (await this.#get("blobs", [...asked.map(({ key }) => ["key", key]), ["of", of]])).arrayBuffer());
      asked.forEach(({ found, failed }, i) => (blobs[i].length ? found(blobs[i]) : failed(new Error("TensorBoard no longer has this look."))));
    } catch (error) {
      for (const { failed } of asked) failed(error);
    }
  }

  async runs() {
    return (await this.#get("runs", {})).json();
  }

  async looks(run, from, to) {
    return (await (await this.#get("looks", { run, from, to })).json()).map(checked);
  }

  stack(run, look, item) {
    const key = look.blobs[item.blob];
    return this.#stacks.get(`${key}\n${look.time}`, async () => new Stack(item, await inflate(await this.#blob(key, look.time))));
  }

  setup(run, id) {
    return remembered(this.#setups, `${run}\n${id}`, async () => {
      const found = await (await this.#get("setup", { run, id })).json();
      if (!found) return null;
      const { head, blobs } = found;
      return { ...head, urls: blobs.map((key) => addressOf(key, id)) };
    });
  }

  picture(look, blob) {
    return addressOf(look.blobs[blob], look.time);
  }

  async pictures(run) {
    return (await this.#get("pictures", { run })).json();
  }
}

/** The blobs of an answer, each behind its length. */
function parted(answer) {
  const view = new DataView(answer);
  const blobs = [];
  for (let at = 0; at < answer.byteLength; at += 4 + blobs.at(-1).length) blobs.push(new Uint8Array(answer, at + 4, view.getUint32(at, true)));
  return blobs;
}

function addressOf(key, of) {
  return `picture?${new URLSearchParams({ key, of })}`;
}

/** Reads what one HTML file holds: scripts of JSON that name their blobs, in base64. */
export class EmbeddedSource {
  live = false;
  #setups = new Map();
  #urls = new Map();
  #stacks = new Recent(400);

  constructor(page) {
    this.page = page;
    this.index = JSON.parse(page.getElementById("record-index").textContent);
  }

  #blob(id) {
    return bytesOf(this.page.getElementById(`blob-${id}`).textContent);
  }

  async runs() {
    return this.index.runs.map(({ name, looks, single }) => ({ name, looks: looks.length, pictures: 0, single }));
  }

  looks(run, from, to) {
    const looks = this.#run(run).looks.slice(from, to);
    return Promise.all(looks.map(async (blobs) => checked({ ...(await readJson(this.#blob(blobs[0]))), blobs })));
  }

  stack(run, look, item) {
    const id = look.blobs[item.blob];
    return this.#stacks.get(id, async () => new Stack(item, await inflate(this.#blob(id))));
  }

  setup(run, id) {
    return remembered(this.#setups, `${run}\n${id}`, async () => {
      const numbers = this.#run(run).setups[id];
      if (!numbers) return null;
      const [first, ...pictures] = numbers;
      const head = await readJson(this.#blob(first));
      return { ...head, urls: pictures.map((picture) => this.#url(picture)) };
    });
  }

  picture(look, blob) {
    const id = look.blobs[blob];
    if (!this.#urls.has(id)) this.#urls.set(id, this.#blob(id).length ? this.#url(id) : null);
    return this.#urls.get(id);
  }

  #url(id) {
    const bytes = this.#blob(id);
    return URL.createObjectURL(new Blob([bytes], { type: pictureType(bytes) }));
  }

  async pictures() {
    return {};
  }

  #run(name) {
    return this.index.runs.find((run) => run.name === name);
  }
}

/** By its first byte it is one of two, whatever else it may be. */
function pictureType(bytes) {
  return bytes[0] === 0xff ? "image/jpeg" : "image/png";
}

function checked(look) {
  if (look.version > VERSION) throw new Error("This run was written by a newer version of lightning_cnnviz than this page: pip install --upgrade lightning_cnnviz, and start TensorBoard or make the report anew.");
  return look;
}

/** Makes something once; what failed or is not there is asked for again. */
function remembered(map, key, make) {
  if (!map.has(key)) {
    const made = make();
    map.set(key, made);
    made.then((found) => found ?? map.delete(key), () => map.delete(key));
  }
  return map.get(key);
}

/** Keeps the answers asked for last, so that going back costs nothing and memory stays bounded. */
class Recent {
  #kept = new Map();

  constructor(most) {
    this.most = most;
  }

  get(key, make) {
    const kept = this.#kept.get(key) ?? make();
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    kept.catch(() => this.#kept.delete(key));
    if (this.#kept.size > this.most) this.#kept.delete(this.#kept.keys().next().value);
    return kept;
  }
}
