// Filters and prototypes, and answers.

import { nameOf } from "./axis.js";
import { className, help, runTitle, sampleFigure } from "./captions.js";
import { columnsOf, figure } from "./cells.js";
import { element, percent } from "./dom.js";
import { tagsOf } from "./samples.js";
import { sampleName } from "./sets.js";
import { ownSheet, ownTags } from "./sheets.js";

const OF_MISTAKES = /(^|\/)worst_mistakes(\/|$)/;
const MOST_CLASSES = 30;
const MOST_MISTAKES = 12;
const MOST_UPRIGHT = 3; // characters of a heading that need not be turned

function section(view, run, ...children) {
  return element("section", { className: "run", "aria-label": run.name }, runTitle(view, run), element("div", { className: "parts" }, ...children));
}

/** What belongs to no sample: filters, prototypes, activation maximization. */
export async function showFilters(view) {
  return Promise.all(view.runs.map(async (run) => {
    const sheets = ownTags(run).filter((tag) => !OF_MISTAKES.test(tag)).map((tag) => ownSheet(view, run, tag));
    const shown = await Promise.all([...sheets, ...tagsOf(run, false).map(({ tag }) => tiles(view, run, tag))]);
    return section(view, run, shown.length ? shown : element("p", {}, "Neither filters nor prototypes were recorded."));
  }));
}

/** All maps of a tag that belong to no sample. */
export async function tiles(view, run, tag) {
  const { look, item } = run.find(tag, view.place);
  const cells = await Promise.all(columnsOf(item).map((name) => figure(view, run, tag, 0, name, { caption: name })));
  const title = element("h3", {}, item.title || tag, element("span", { className: "note" }, `as of ${nameOf(look)}`), help(run, look, item.view));
  return element("section", { className: "view" }, title, element("div", { className: "tiles" }, cells));
}

/** What the model gets wrong: confusion, and the mistakes it is surest of; of each set of samples. */
export async function showAnswers(view) {
  return Promise.all(view.runs.map(async (run) => {
    const look = run.at(view.place);
    const worst = await Promise.all(ownTags(run).filter((tag) => OF_MISTAKES.test(tag)).map((tag) => ownSheet(view, run, tag)));
    const parts = [...run.sets.map((set, number) => answers(view, run, look, set, number)), ...worst].filter((part) => part);
    const none = "Whether the answers are right was not recorded: there are no true classes, or none that answers like these are held against. The answers themselves stand below the samples.";
    return section(view, run, parts.length ? parts : element("p", {}, none));
  }));
}

function answers(view, run, look, { setup, name }, set) {
  const given = judged(look?.groups.filter((_, i) => run.setOf(look, i) === set) ?? [], setup);
  if (!given.length) return null;
  const isOfClasses = given[0].predicted !== undefined;
  const wrong = given.filter(({ isRight }) => !isRight).sort((a, b) => b.probability - a.probability);
  const right = `${given.length - wrong.length} of ${given.length} samples right (${percent(1 - wrong.length / given.length)})${look.single ? "" : ` at ${nameOf(look)}`}`;
  const surest = element("section", { className: "view" }, element("h3", {}, isOfClasses ? "Mistakes, the surest first" : "Mistakes"), mistakes(view, run, look, set, wrong));
  return element("section", { className: "view" }, name ? element("h3", {}, name) : null, element("p", {}, right), element("div", { className: "parts" }, isOfClasses ? confusion(given, setup) : null, surest));
}

/** Of each sample whether its answer is right, as far as somebody can say; of one class in several also which it is. */
function judged(groups, { labels }) {
  const largest = groups.filter(({ classes }) => classes && labels).reduce((one, other) => (one && one.classes.length >= other.classes.length ? one : other), null);
  if (largest) {
    return largest.classes.map(([first], sample) => {
      const probability = largest.probabilities[sample][0];
      const predicted = typeof probability === "number" ? first : null;
      return { sample, predicted, truth: labels[sample], isRight: predicted === labels[sample], probability: predicted === null ? 0 : probability };
    });
  }
  const captions = groups.find((group) => group.captions)?.captions ?? [];
  return captions.map(({ right }, sample) => ({ sample, isRight: right, probability: 0 })).filter(({ isRight }) => isRight !== null);
}

function confusion(judgements, setup) {
  const answers = judgements.filter(({ predicted }) => predicted !== null);
  const lost = judgements.length - answers.length;
  const all = [...new Set(answers.flatMap(({ predicted, truth }) => [predicted, truth]))];
  const mistakesOf = Map.groupBy(answers.filter(({ isRight }) => !isRight).flatMap(({ predicted, truth }) => [predicted, truth]), (index) => index);
  const named = all.sort((a, b) => (mistakesOf.get(b)?.length ?? 0) - (mistakesOf.get(a)?.length ?? 0) || a - b).slice(0, MOST_CLASSES).sort((a, b) => a - b);
  const title = `Confusion on the samples${all.length > named.length ? `: the ${named.length} of ${all.length} classes with most mistakes` : ""}${lost ? `; of ${lost} the output is not finite` : ""}`;
  const count = (truth, predicted) => answers.filter((answer) => answer.truth === truth && answer.predicted === predicted).length;
  const rows = named.map((truth) => element("tr", {}, element("th", { scope: "row", title: className(setup, truth) }, className(setup, truth)), named.map((predicted) => {
    const number = count(truth, predicted);
    return element("td", { className: number === 0 ? "" : truth === predicted ? "right" : "wrong" }, number || "");
  })));
  const head = element("tr", {}, element("th", { scope: "col" }, "true \\ predicted"), named.map((index) => element("th", { scope: "col", title: className(setup, index) }, className(setup, index))));
  const isShort = named.every((index) => className(setup, index).length <= MOST_UPRIGHT);
  return element("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": "Confusion" }, element("table", { className: isShort ? "confusion" : "confusion turned" }, element("caption", {}, title), element("thead", {}, head), element("tbody", {}, rows)));
}

function mistakes(view, run, look, set, wrong) {
  if (!wrong.length) return element("p", {}, "None.");
  return element("ol", { className: "mistakes" }, wrong.slice(0, MOST_MISTAKES).map(({ sample }) => {
    const open = () => view.set({ view: "samples", sample: sampleName(set, sample) });
    return element("li", {}, element("button", { className: "plain", title: "Show this sample alone", "data-key": `mistake/${run.name}/${sampleName(set, sample)}`, onclick: open }, sampleFigure(run, look, set, sample)));
  }));
}
