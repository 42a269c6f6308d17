// The page: one axis of epochs over everything, and the views below it.

import { Ahead } from "./ahead.js";
import { nameOf, places } from "./axis.js";
import { COLORMAPS } from "./colormaps.js";
import { drawControls } from "./controls.js";
import { element } from "./dom.js";
import { showFilm } from "./film.js";
import { keepingFocus } from "./focus.js";
import { showLayers } from "./layers.js";
import { showNotes } from "./notes.js";
import { showAnswers, showFilters } from "./others.js";
import { showPictures } from "./pictures.js";
import { watchPointer } from "./pointer.js";
import { Run } from "./run.js";
import { showSamples } from "./samples.js";
import { paintRest } from "./sight.js";
import { followTheme, linkTo, readLink, writeLink } from "./state.js";

const VIEWS = {
  samples: ["Samples", showSamples],
  film: ["Film", showFilm],
  layers: ["Layers × epochs", showLayers],
  filters: ["Filters and prototypes", showFilters],
  answers: ["Mistakes", showAnswers],
  notes: ["Alarms and notes", showNotes],
  pictures: ["Pictures", showPictures],
};

const ASK_AGAIN_MS = 15000;
const FRAME_MS = 500;
const REST_MS = 60;

/** Fills a page with what a source has; answers when the first look is painted. */
export async function start(source, body) {
  const app = new App(source, body);
  await app.open();
  return app;
}

class App {
  #state = readLink();
  #runs = new Map();
  #counts = new Map();
  #turn = 0;
  #timers = { play: null, rest: null };
  #ahead = new Ahead();

  constructor(source, body) {
    this.source = source;
    this.controls = element("section", { className: "controls", "aria-label": "Controls" });
    this.links = element("nav", { "aria-label": "Views" }, Object.entries(VIEWS).map(([name, [text]]) => this.#link(name, text)));
    this.problem = element("p", { role: "alert", className: "problem" });
    this.main = element("main", {});
    this.tooltip = element("div", { className: "tooltip", hidden: true });
    body.append(element("header", {}, element("h1", {}, "CNN Viz"), this.links), this.controls, this.problem, this.main, this.tooltip);
    followTheme(document.documentElement);
    watchPointer(this.main, this.tell);
    document.addEventListener("keydown", (event) => this.#key(event));
    window.addEventListener("hashchange", () => {
      this.#state = readLink();
      this.#open(this.#ready());
    });
  }

  async open() {
    await this.#guard(async () => {
      await this.#count();
      await this.#ready();
    });
    if (!this.source.live) return;
    const ask = () => document.hidden || this.#guard(() => this.#askAgain());
    setInterval(ask, ASK_AGAIN_MS);
    document.addEventListener("visibilitychange", ask);
  }

  /** Changes what is looked at; `place` also moves on the axis. */
  set = (changes, place = null) => {
    Object.assign(this.#state, changes, place === null ? {} : { epoch: String(place) });
    return this.#open("run" in changes ? this.#ready() : this.#render());
  };

  go = (place) => this.set({ epoch: String(place) });

  tell = (text, event = null) => {
    this.tooltip.hidden = text === null;
    if (text === null) return;
    this.tooltip.textContent = text;
    const { innerWidth, innerHeight } = window;
    this.tooltip.style.left = `${Math.min(event.clientX + 14, innerWidth - this.tooltip.offsetWidth - 4)}px`;
    this.tooltip.style.top = `${Math.min(event.clientY + 14, innerHeight - this.tooltip.offsetHeight - 4)}px`;
  };

  play = () => {
    if (this.#timers.play) {
      clearTimeout(this.#timers.play);
      this.#timers.play = null;
      return this.#render();
    }
    const { axis, place } = this.#view();
    const next = async () => {
      const now = this.#view();
      const at = now.axis.indexOf(now.place) + 1;
      if (at >= now.axis.length) this.#timers.play = null;
      else this.#timers.play = setTimeout(next, FRAME_MS);
      if (at < now.axis.length) await this.go(now.axis[at]);
      else await this.#render();
    };
    this.#timers.play = setTimeout(next, FRAME_MS);
    return this.go(place === axis.at(-1) ? axis[0] : place);
  };

  step = (by) => {
    const { axis, place } = this.#view();
    const at = Math.min(axis.length - 1, Math.max(0, axis.indexOf(place) + by));
    return this.go(axis[at]);
  };

  #open(work) {
    return this.#guard(() => work);
  }

  async #guard(work) {
    try {
      await work();
      this.problem.textContent = "";
    } catch (error) {
      this.problem.textContent = `${error.message} Reload the page to try again.`;
      console.warn(error);
    }
  }

  async #count() {
    this.#counts = new Map((await this.source.runs()).map((run) => [run.name, run]));
  }

  /** Loads the chosen runs; the newest if none is chosen. */
  async #ready() {
    const known = [...this.#counts.values()];
    const chosen = this.#state.run.filter((name) => this.#counts.has(name));
    const newest = known.findLast((run) => run.looks) ?? known.at(-1);
    this.#state.run = chosen.length ? chosen : newest ? [newest.name] : [];
    const runs = this.#state.run.map((name) => {
      if (!this.#runs.has(name)) this.#runs.set(name, new Run(this.source, this.#counts.get(name)));
      return this.#runs.get(name);
    });
    await Promise.all(runs.map((run) => run.load(this.#counts.get(run.name).looks)));
    await this.#render();
    // Behind what is to be seen already.
    this.#guard(() => Promise.all(runs.map((run) => run.loadOlder(() => this.#render()))));
  }

  async #askAgain() {
    const before = this.#counts.size;
    await this.#count();
    const shown = this.#view().runs;
    const fresh = await Promise.all(shown.map((run) => run.refresh(this.#counts.get(run.name)?.looks ?? 0)));
    if (!shown.length) await this.#ready();
    else if (fresh.some(Boolean) || before !== this.#counts.size) await this.#render();
  }

  #view() {
    const runs = this.#state.run.map((name) => this.#runs.get(name)).filter((run) => run);
    const axis = places(runs);
    const wanted = this.#state.epoch === "" ? Infinity : Number(this.#state.epoch);
    const place = axis.reduce((best, at) => (Math.abs(at - wanted) < Math.abs(best - wanted) ? at : best), axis.at(-1) ?? 0);
    const { set, go, play, step } = this;
    return { runs, axis, place, state: this.#state, set, go, play, step, playing: this.#timers.play !== null, live: this.source.live, names: [...this.#counts.keys()], alarmed: [...this.#counts.values()].filter(({ alarms }) => alarms).map(({ name }) => name), colormaps: Object.keys(COLORMAPS) };
  }

  async #render() {
    const turn = ++this.#turn;
    const view = this.#view();
    const picturesOnly = view.runs.every((run) => !run.looks.length && this.#counts.get(run.name).pictures);
    const name = view.runs.length && picturesOnly ? "pictures" : view.state.view in VIEWS ? view.state.view : "samples";
    const [title, show] = VIEWS[name];
    for (const run of view.runs) run.asked.clear();
    const drawn = view.runs.length ? show(view) : [element("p", {}, "There is no run with our data here yet. Train with CNNVisualizer() and a TensorBoardLogger.")];
    if (this.#ahead.notice(view)) setTimeout(() => this.#ahead.read(view)); // behind what is shown
    const shown = await drawn;
    if (turn !== this.#turn) return; // another render has started meanwhile
    keepingFocus(() => {
      drawControls(this.controls, view);
      Object.keys(VIEWS).forEach((one, i) => mark(this.links.children[i], one === name));
      this.main.replaceChildren(...view.runs.filter((run) => run.isIncomplete).map(remark), ...shown.flat());
    });
    this.tell(null);
    this.main.dataset.painted = String(turn);
    this.#rest(view, title);
    if (!performance.getEntriesByName("painted").length) performance.mark("painted");
  }

  /** Does what can wait until the epochs no longer go by. */
  #rest(view, title) {
    clearTimeout(this.#timers.rest);
    this.#timers.rest = setTimeout(() => {
      paintRest(this.main);
      writeLink(this.#state);
      document.title = `${title}, ${nameOf(view.runs[0]?.at(view.place))} · CNN Viz`;
      Object.keys(VIEWS).forEach((name, i) => {
        this.links.children[i].href = linkTo({ ...this.#state, view: name });
      });
      this.#ahead.read(view);
    }, REST_MS);
  }

  #link(name, text) {
    const follow = (event) => {
      event.preventDefault();
      this.set({ view: name });
    };
    return element("a", { href: linkTo({ ...this.#state, view: name }), onclick: follow }, text);
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, .heat tbody")) return;
    if (event.key === "ArrowLeft") this.step(-1);
    else if (event.key === "ArrowRight") this.step(1);
    else if (event.key === "Home") this.step(-Infinity);
    else if (event.key === "End") this.step(Infinity);
    else if (event.key === "p") this.play();
    else return;
    event.preventDefault();
  }
}

function remark({ name }) {
  const text = `The pictures of the samples of ${name} and their names are not there: they were written when the run began, into a file that has been moved or deleted. Put all event files of the run (or its folder "record") back into its directory; for a report, then make it anew: python -m lightning_cnnviz report LOGDIR`;
  return element("p", { className: "remark" }, text);
}

/** Says which of the links is the one shown. */
function mark(link, isShown) {
  if (isShown) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}
