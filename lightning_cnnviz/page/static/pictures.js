// Finished pictures, which no numbers stand behind.

import { help, runTitle } from "./captions.js";
import { nameOf } from "./axis.js";
import { element } from "./dom.js";

export const PICTURES_ONLY = "This run has pictures only: it was written by a version before the record, or with the record switched off.";

/** Of each tag the last picture up to the chosen epoch, else the first one. */
export async function showPictures(view) {
  return view.runs.map((run) => {
    const recorded = new Set(run.looks.flatMap((look) => [...look.items, ...(look.pictures ?? [])].map(({ tag }) => tag)));
    const shown = [...inLooks(run, view.place), ...besideLooks(run, view.place, recorded)];
    const old = run.looks.length ? null : element("p", {}, PICTURES_ONLY);
    const none = shown.length ? null : element("p", {}, "Every picture of this run is shown from its numbers.");
    return element("section", { className: "run", "aria-label": run.name }, runTitle(view, run), element("div", { className: "parts" }, old, none, shown));
  });
}

/** Those that the record holds. */
function inLooks(run, place) {
  const stored = new Map();
  for (const look of run.looks) {
    for (const picture of look.pictures ?? []) {
      const url = run.source.picture(look, picture.blob);
      if (url && (look.place <= place + 1e-9 || !stored.has(picture.tag))) stored.set(picture.tag, { ...picture, look, url });
    }
  }
  return [...stored].map(([tag, { url, look, view }]) => figure(tag, url, nameOf(look), help(run, look, view)));
}

/** Those that TensorBoard has beside the record. */
function besideLooks(run, place, recorded) {
  const step = run.at(place)?.step ?? Infinity;
  return Object.entries(run.pictures).filter(([tag]) => !recorded.has(tag)).map(([tag, steps]) => {
    const picture = steps.findLast((one) => one.step <= step) ?? steps[0];
    return figure(tag, picture.url, `step ${picture.step}`);
  });
}

function figure(tag, url, when, question = null) {
  return element("figure", { className: "picture" }, element("figcaption", {}, `${tag}, ${when}`, question), element("img", { src: url, alt: tag, loading: "lazy" }));
}
