// Filters and prototypes, answers, notes, and pictures without numbers.

import { nameOf } from "./axis.js";
import { className, help, sampleFigure } from "./captions.js";
import { columnsOf, figure } from "./cells.js";
import { element, percent } from "./dom.js";
import { markdown } from "./markdown.js";
import { tagsOf } from "./samples.js";

const MOST_CLASSES = 30;
const MOST_MISTAKES = 12;

function section(run, ...children) {
  return element("section", { className: "run", "aria-label": run.name }, element("h2", {}, run.name), ...children);
}

/** What belongs to no sample: filters, prototypes, activation maximization. */
export async function showFilters(view) {
  return Promise.all(view.runs.map(async (run) => {
    const parts = tagsOf(run, false).map(async ({ tag }) => {
      const look = run.lookWith(tag, view.place);
      const item = run.item(look, tag);
      const cells = await Promise.all(columnsOf(item).map((name) => figure(view, run, tag, 0, name, { caption: name })));
      return element("section", { className: "view" }, element("h3", {}, item.title || tag, help(run.setupOf(look), item.view)), element("p", { className: "note" }, `as of ${nameOf(look)}`), element("div", { className: "tiles" }, cells));
    });
    const shown = await Promise.all(parts);
    return section(run, shown.length ? shown : element("p", {}, "Neither filters nor prototypes were recorded."));
  }));
}

/** What the model gets wrong: confusion, and the mistakes it is surest of. */
export async function showAnswers(view) {
  return view.runs.map((run) => {
    const look = run.at(view.place);
    const asked = look?.groups.findIndex((group) => group.classes) ?? -1;
    const setup = run.setupOf(look, asked);
    if (asked < 0 || !setup?.labels) return section(run, element("p", {}, "Neither predictions nor true classes were recorded."));
    const { classes, probabilities } = look.groups[asked];
    const answers = classes.map(([predicted], sample) => ({ sample, predicted, truth: setup.labels[sample], probability: probabilities[sample][0] }));
    const wrong = answers.filter(({ predicted, truth }) => predicted !== truth).sort((a, b) => b.probability - a.probability);
    const right = `${answers.length - wrong.length} of ${answers.length} samples right (${percent(1 - wrong.length / answers.length)}) at ${nameOf(look)}`;
    return section(run, element("p", {}, right), confusion(answers, setup), element("h3", {}, "Mistakes, the surest first"), mistakes(view, run, look, asked, wrong, setup));
  });
}

function confusion(answers, setup) {
  const named = [...new Set(answers.flatMap(({ predicted, truth }) => [predicted, truth]))].sort((a, b) => a - b);
  if (named.length > MOST_CLASSES) return null;
  const count = (truth, predicted) => answers.filter((answer) => answer.truth === truth && answer.predicted === predicted).length;
  const rows = named.map((truth) => element("tr", {}, element("th", { scope: "row" }, className(setup, truth)), named.map((predicted) => {
    const number = count(truth, predicted);
    return element("td", { className: number === 0 ? "" : truth === predicted ? "right" : "wrong" }, number || "");
  })));
  const head = element("tr", {}, element("th", { scope: "col" }, "true \\ predicted"), named.map((index) => element("th", { scope: "col" }, className(setup, index))));
  return element("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": "Confusion" }, element("table", { className: "confusion" }, element("caption", {}, "Confusion on the samples"), element("thead", {}, head), element("tbody", {}, rows)));
}

function mistakes(view, run, look, group, wrong, setup) {
  if (!wrong.length) return element("p", {}, "None.");
  return element("ol", { className: "mistakes" }, wrong.slice(0, MOST_MISTAKES).map(({ sample, predicted, truth, probability }) => {
    const text = `Sample ${sample}: ${className(setup, predicted)} ${percent(probability)}, true ${className(setup, truth)}`;
    if (!setup.urls[sample]) return element("li", {}, text);
    return element("li", {}, element("button", { className: "plain", title: text, "data-key": `mistake/${run.name}/${sample}`, onclick: () => view.set({ view: "samples", sample: String(sample) }) }, sampleFigure(run, look, sample, group)));
  }));
}

/** Alarms, the model table and whatever else was written; of each the last one up to the chosen epoch. */
export async function showNotes(view) {
  return view.runs.map((run) => {
    const tags = [...new Set(run.looks.flatMap((look) => Object.keys(look.notes)))];
    const parts = tags.map((tag) => {
      const look = run.looks.findLast((one) => tag in one.notes && one.place <= view.place + 1e-9);
      return look ? element("section", { className: "view" }, element("h3", {}, `${tag}, ${nameOf(look)}`), markdown(look.notes[tag])) : null;
    });
    return section(run, tags.length ? parts : element("p", {}, "No notes were written."));
  });
}

/** Finished pictures of views that hand over no numbers, or of a version before the record. */
export async function showPictures(view) {
  return view.runs.map((run) => {
    const recorded = new Set(run.looks.flatMap((look) => look.items.map((item) => item.tag)));
    const tags = Object.keys(run.pictures).filter((tag) => !recorded.has(tag));
    const step = run.at(view.place)?.step ?? Infinity;
    const shown = tags.map((tag) => {
      const steps = run.pictures[tag];
      const picture = steps.findLast((one) => one.step <= step) ?? steps[0];
      return element("figure", { className: "picture" }, element("figcaption", {}, `${tag}, step ${picture.step}`), element("img", { src: picture.url, alt: tag, loading: "lazy" }));
    });
    const old = run.looks.length ? null : element("p", {}, "This run has pictures only: it was written by a version before the record, or with the record switched off.");
    return section(run, old, shown.length ? shown : element("p", {}, "Every picture of this run is shown from its numbers."));
  });
}
