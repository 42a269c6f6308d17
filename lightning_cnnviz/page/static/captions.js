// Who a sample is and what the model said of it.

import { nameOf } from "./axis.js";
import { element, percent } from "./dom.js";

const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/;

export function className(setup, index) {
  const name = setup?.class_names?.[index] ?? String(index);
  // What is written from right to left shall not turn the percentage after it around.
  return TURNS.test(name) ? `\u2068${name}\u2069` : name;
}

/** The name of a class as it stands by itself. */
export function classTitle(setup, index) {
  return setup?.class_names?.[index] === undefined ? `class ${index}` : className(setup, index);
}

/** The answer of the model to a sample at a look; null where nobody asked. */
export function answerOf(run, look, set, sample) {
  const asked = look?.groups.find((group, i) => run.setOf(look, i) === set && (group.classes?.[sample] || group.captions?.[sample]));
  if (!asked) return null;
  if (!asked.classes) return asked.captions[sample];
  const { setup } = run.sets[set];
  const truth = setup.labels?.[sample] ?? null;
  const predicted = asked.classes[sample][0];
  const explained = asked.explained?.[sample] ?? predicted;
  const [probability] = asked.probabilities[sample];
  const isFinite = typeof probability === "number";
  const lines = [isFinite ? `${classTitle(setup, predicted)} ${percent(probability)}` : "not finite"];
  if (truth !== null) lines.push(`true ${className(setup, truth)}`);
  if (explained !== predicted) lines.push(`maps of ${classTitle(setup, explained)}`);
  return { lines, right: truth === null ? null : isFinite && truth === predicted };
}

/** The answer as lines of text; right and wrong have a sign, not only a color. */
export function captionLines(answer) {
  if (!answer) return [];
  const [sign, className] = answer.right === null ? ["", ""] : answer.right ? ["✓ ", "right"] : ["✗ ", "wrong"];
  return answer.lines.map((line, i) => element("span", i ? {} : { className }, i ? line : sign + line));
}

/** Who a sample is, in one line. */
export function sampleTitle(run, set, sample) {
  const setup = run.sets[set]?.setup;
  const label = setup?.labels?.[sample];
  return `Sample ${sample}${label === undefined ? "" : `, true ${className(setup, label)}`}`;
}

/** The picture of a sample with its caption, and its number, by which alarms name it. */
export function sampleFigure(run, look, set, sample) {
  const urls = run.sets[set]?.setup.urls ?? [];
  return captioned(urls[sample], answerOf(run, look, set, sample), `sample ${sample}`, sample >= urls.length ? `only ${urls.length} pictures are kept` : "");
}

/** A picture with an answer below it, and what else it is called; in its place, if it is not there, why. */
export function captioned(picture, answer, name = "", why = "") {
  const missing = why ? element("div", { className: "missing" }, why) : null;
  const frame = picture ? element("div", { className: "frame" }, element("img", { src: picture, alt: "", className: "pixels" })) : missing;
  const note = name ? element("span", { className: "note" }, name) : null;
  return element("figure", { className: "cell sample" }, frame, element("figcaption", {}, captionLines(answer), note));
}

/** The name of a run above what is shown of it, to be seen where it stands beside others; with its epoch where that is
 * another than the chosen one, as of a run that ended before. */
export function runTitle(view, run) {
  const look = run.at(view.place);
  const asOf = look && look.place !== view.place ? element("span", { className: "note" }, ` as of ${nameOf(look)}`) : null;
  return element("h2", { className: view.runs.length > 1 ? "" : "unseen" }, run.name, asOf);
}

/** Which color stands for which class. */
export function classLegend(item) {
  if (!item?.classes) return null;
  const entries = item.classes.map(([, name, color]) => element("li", {}, element("span", { className: "swatch", style: { "background-color": color } }), name));
  return element("ul", { className: "classes", "aria-label": "Colors of the classes" }, entries);
}

/** The question mark with how a view is read. */
export function help(run, look, view) {
  const text = run.description(look, view);
  if (!text) return null;
  return element("details", { className: "help" }, element("summary", { "aria-label": `How to read ${view}` }, "?"), element("p", {}, text));
}
