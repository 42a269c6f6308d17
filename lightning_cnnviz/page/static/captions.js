// Who a sample is and what the model said of it.

import { element, percent } from "./dom.js";

export function className(setup, index) {
  return setup?.class_names?.[index] ?? `class ${index}`;
}

/** The answer of the model to a sample at a look: class, probability, truth; null where nobody asked. */
export function answerOf(run, look, sample, group = 0) {
  const asked = look?.groups[group];
  if (!asked?.classes?.[sample]) return null;
  const setup = run.setups.get(asked.setup);
  const truth = setup?.labels?.[sample] ?? null;
  const predicted = asked.classes[sample][0];
  const explained = asked.explained?.[sample] ?? predicted;
  return { setup, truth, predicted, explained, probability: asked.probabilities[sample][0], right: truth === null ? null : truth === predicted };
}

/** The answer as lines of text; right and wrong have a sign, not only a color. */
export function captionLines(answer) {
  if (!answer) return [];
  const sign = answer.right === null ? "" : answer.right ? "✓ " : "✗ ";
  const lines = [element("span", { className: answer.right === null ? "" : answer.right ? "right" : "wrong" }, `${sign}${className(answer.setup, answer.predicted)} ${percent(answer.probability)}`)];
  if (answer.truth !== null) lines.push(element("span", {}, `true ${className(answer.setup, answer.truth)}`));
  if (answer.explained !== answer.predicted) lines.push(element("span", {}, `maps ${className(answer.setup, answer.explained)}`));
  return lines;
}

/** The picture of a sample with its caption. */
export function sampleFigure(run, look, sample, group = 0) {
  const setup = run.setupOf(look, group);
  const picture = setup?.urls[sample];
  const image = picture ? element("img", { src: picture, alt: `Sample ${sample}`, className: "pixels" }) : null;
  return element("figure", { className: "cell sample" }, element("div", { className: "frame" }, image), element("figcaption", {}, captionLines(answerOf(run, look, sample, group))));
}

/** The question mark with how a view is read. */
export function help(setup, view) {
  const text = setup?.descriptions[view];
  if (!text) return null;
  return element("details", { className: "help" }, element("summary", { "aria-label": `How to read ${view}` }, "?"), element("p", {}, text));
}
