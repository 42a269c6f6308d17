// The epoch slider, and what else changes everything at once.

import { nameOf } from "./axis.js";
import { className } from "./captions.js";
import { element, select } from "./dom.js";
import { alarmsOf } from "./record.js";
import { sampleName } from "./sets.js";

/** Draws the controls; the slider itself stays the same element, so that dragging it is not cut off. */
export function drawControls(root, view) {
  const parts = root.parts ?? (root.parts = make(root));
  parts.view = view;
  const { axis, place, state } = view;
  const look = view.runs.map((run) => run.at(place)).find((one) => one?.place === place) ?? view.runs[0]?.at(place);
  Object.assign(parts.slider, { max: Math.max(0, axis.length - 1), value: axis.indexOf(place), disabled: axis.length < 2 });
  parts.slider.setAttribute("aria-valuetext", nameOf(look));
  parts.time.hidden = view.runs.every((run) => run.single); // there is nothing to move along
  parts.now.textContent = look ? `${nameOf(look)} · step ${look.step.toLocaleString("en")}` : "";
  parts.play.textContent = view.playing ? "❚❚" : "▶";
  parts.play.setAttribute("aria-label", view.playing ? "Pause" : "Play");
  parts.newest.setAttribute("aria-pressed", String(state.epoch === ""));
  // Drawn anew only where they are others: of many epochs there are many.
  const shown = JSON.stringify([{ ...state, epoch: "" }, view.names, view.alarmed, view.runs.map((run) => [run.looks.length, run.setups.size])]);
  if (parts.shown === shown) return;
  parts.shown = shown;
  document.documentElement.style.setProperty("--opacity", state.opacity);
  parts.alarms.replaceChildren(...alarmMarks(view));
  parts.choices.replaceChildren(...choices(view).filter((choice) => choice !== null));
}

function make(root) {
  const parts = {};
  const button = (text, label, click) => element("button", { "aria-label": label, "data-key": label, onclick: click }, text);
  parts.slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Epoch", "data-key": "epoch", oninput: () => parts.view.go(parts.view.axis[Number(parts.slider.value)]) });
  parts.alarms = element("div", { className: "alarms" });
  parts.now = element("output", { className: "now" });
  parts.play = button("▶", "Play", () => parts.view.play());
  parts.newest = element("button", { "data-key": "newest", onclick: () => parts.view.set({ epoch: "" }) }, "newest");
  parts.choices = element("div", { className: "choices" });
  // On a narrow page the choices would leave no room for what they change.
  const folded = element("details", { className: "folded", open: window.innerWidth >= 700 }, element("summary", {}, "Display"), parts.choices);
  const reload = element("button", { "data-key": "reload", onclick: () => window.location.reload() }, "reload");
  parts.time = element("div", { className: "time" },
    button("◀", "One look back", () => parts.view.step(-1)), parts.play, button("▶|", "One look on", () => parts.view.step(1)),
    element("div", { className: "track" }, parts.slider, parts.alarms), parts.now, parts.newest, reload);
  root.append(parts.time, folded);
  return parts;
}

function alarmMarks({ runs, axis, set }) {
  const marks = runs.flatMap((run) => run.looks.filter((look) => alarmsOf(look).length).map((look) => ({ look, of: runs.length > 1 ? ` of ${run.name}` : "" })));
  return marks.map(({ look, of }) => element("button", { className: "alarm", "aria-label": `Alarm at ${nameOf(look)}${of}`, title: alarmsOf(look)[0], onclick: () => set({ view: "notes" }, look.place), style: { left: `${(100 * axis.indexOf(look.place)) / Math.max(1, axis.length - 1)}%` } }, "!"));
}

function choices(view) {
  const { state, set, runs } = view;
  const looks = [...new Map(runs.flatMap((run) => run.looks.map((look) => [look.place, look]))).values()].sort((a, b) => a.place - b.place);
  return [
    runChoice(view),
    select("Sample", [["", "all"], ...samplesOf(runs)], state.sample, (sample) => set({ sample })),
    select("Scale", [["", "default"], ["epoch", "this epoch"], ["run", "the whole run"], ["map", "each map"]], state.scale, (scale) => set({ scale })),
    select("Colors", [["", "default"], ...view.colormaps.map((name) => [name, name])], state.colormap, (colormap) => set({ colormap })),
    select("Difference to", [["", "nothing"], ...looks.map((look) => [String(look.place), nameOf(look)])], state.difference, (difference) => set({ difference })),
    opacity(state, set),
  ];
}

/** Names and texts of the samples of all runs. */
function samplesOf(runs) {
  const texts = new Map();
  for (const run of runs) {
    run.sets.forEach(({ name, setup }, set) => setup.urls.forEach((_, sample) => {
      const label = setup.labels?.[sample];
      const text = [name, sample, label === undefined ? "" : className(setup, label)].filter((part) => part !== "").join(" · ");
      if (!texts.has(sampleName(set, sample))) texts.set(sampleName(set, sample), text);
    }));
  }
  return [...texts];
}

function opacity(state, set) {
  const show = (event) => document.documentElement.style.setProperty("--opacity", event.target.value);
  const input = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: state.opacity, "data-key": "opacity", oninput: show, onchange: (event) => set({ opacity: event.target.value }) });
  return element("label", { className: "control" }, element("span", {}, "Opacity"), input);
}

/** Runs with a tick each; what is ticked stands side by side. */
function runChoice({ names, alarmed, state, set }) {
  if (names.length < 2) return null;
  const toggle = (name) => (event) => {
    const run = names.filter((one) => (one === name ? event.target.checked : state.run.includes(one)));
    if (run.length) set({ run });
    else event.target.checked = true;
  };
  const alarm = () => element("span", { className: "alarm", role: "img", "aria-label": "with alarms", title: "Something alarmed in this run" }, "!");
  const boxes = names.map((name) => element("label", {}, element("input", { type: "checkbox", checked: state.run.includes(name), "data-key": `run/${name}`, onchange: toggle(name) }), name, alarmed.includes(name) ? alarm() : null));
  const open = document.querySelector(".runs")?.open ?? false;
  return element("details", { className: "runs", open }, element("summary", { "data-key": "runs" }, `Runs: ${state.run.length} of ${names.length}`), element("div", { className: "run-list" }, boxes));
}
