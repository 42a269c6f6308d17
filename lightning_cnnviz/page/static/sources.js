// Where the record comes from. Both sources answer the same questions:
//   runs()                 [{ name, looks, pictures, single, alarms }], the newest run last; looks and pictures are counts, single
//                          says that there is one look only, without a training around it, alarms that there are some
//   looks(run, from, to)   the JSON of these looks in the order of their steps
//   stack(run, look, item) the numbers of one item
//   setup(run, id)         samples, class names and descriptions, with `urls` of the pictures; null if there is no such
//   picture(look, blob)    the address of a finished picture of a look; null where it was left out
//   pictures(run)          { tag: [{ step, url }] } of all pictures beside the record
//   live                   whether asking again may bring more

import { bytesOf } from "./dom.js";
import { Recent, Together, remembered } from "./memory.js";
import { Stack, VERSION, bytesOfStack, inflate, readJson } from "./record.js";

const KEPT = 128e6; // bytes
const PER_REQUEST = { mostKeys: 64, mostBytes: 8e6 };

/** Asks TensorBoard's plugin; addresses are relative to it. */
export class TensorBoardSource {
  live = true;
  #setups = new Map();
  #stacks = new Recent(KEPT);
  #blobs = new Together(async (keys) => parted(await (await answer("blobs", { method: "POST", body: JSON.stringify(keys) })).arrayBuffer()), PER_REQUEST);

  #get(route, query) {
    return answer(route, {}, new URLSearchParams(query));
  }

  async runs() {
    return (await this.#get("runs", {})).json();
  }

  async looks(run, from, to) {
    return (await (await this.#get("looks", { run, from, to })).json()).map(checked);
  }

  stack(run, look, item) {
    const [key, size] = [look.blobs[item.blob], bytesOfStack(item)];
    // A key says run, tag and step; a run that was resumed or started anew may hold something else under it: hence the time.
    return this.#stacks.get(`${key}\n${look.time}`, size, async () => {
      const blob = await this.#blobs.get(key, size);
      if (!blob.length) throw new Error(`TensorBoard no longer has ${item.tag} at step ${look.step}.`);
      return new Stack(item, await inflate(blob));
    });
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

async function answer(route, options, query = "") {
  const response = await fetch(query ? `${route}?${query}` : route, options);
  if (!response.ok) throw new Error(`TensorBoard answers ${response.status} for ${route}.`);
  return response;
}

/** The blobs of one answer, each behind its length as four bytes; it is 0 where there is none. */
function parted(buffer) {
  const [view, blobs] = [new DataView(buffer), []];
  for (let at = 0; at < buffer.byteLength; ) {
    const length = view.getUint32(at, true);
    blobs.push(new Uint8Array(buffer, at + 4, length));
    at += 4 + length;
  }
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
  #stacks = new Recent(KEPT);

  constructor(page) {
    this.page = page;
    this.index = JSON.parse(page.getElementById("record-index").textContent);
  }

  #blob(id) {
    return bytesOf(this.page.getElementById(`blob-${id}`).textContent);
  }

  async runs() {
    return this.index.runs.map(({ name, looks, single, alarms }) => ({ name, looks: looks.length, pictures: 0, single, alarms }));
  }

  looks(run, from, to) {
    const looks = this.#run(run).looks.slice(from, to);
    return Promise.all(looks.map(async (blobs) => checked({ ...(await readJson(this.#blob(blobs[0]))), blobs })));
  }

  stack(run, look, item) {
    const id = look.blobs[item.blob];
    return this.#stacks.get(id, bytesOfStack(item), async () => new Stack(item, await inflate(this.#blob(id))));
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
