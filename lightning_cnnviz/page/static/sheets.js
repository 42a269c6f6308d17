// Sheets that show pictures of their own, such as one for each class, or the mistakes of one epoch.

import { nameOf } from "./axis.js";
import { captioned, help } from "./captions.js";
import { columnsOf, figure } from "./cells.js";
import { element } from "./dom.js";

/** The tags of all such sheets of a run. */
export function ownTags(run) {
  return [...new Set(run.looks.flatMap((look) => look.groups.filter(({ own }) => own).map(({ name }) => name)))];
}

/** One such sheet as of the chosen epoch. */
export async function ownSheet(view, run, tag) {
  const isIt = ({ own, name }) => own && name === tag;
  const look = run.looks.findLast((one) => one.place <= view.place + 1e-9 && one.groups.some(isIt)) ?? run.looks.find((one) => one.groups.some(isIt));
  const group = look.groups.findIndex(isIt);
  const items = look.items.filter((item) => item.group === group);
  const columns = items.flatMap((item) => columnsOf(item).map((name, map) => ({ item, name, map })));
  const { urls } = run.setupOf(look, group);
  const rows = await Promise.all(urls.map(async (url, row) => {
    const cells = await Promise.all(columns.map(({ item, name, map }) => figure(view, run, item.tag, row, name, { place: look.place, caption: item.labels[row]?.[map] ?? "" })));
    const answer = look.groups[group].captions[row];
    return element("tr", {}, element("th", { scope: "row" }, captioned(url, answer, answer.lines.length ? "" : `row ${row}`)), cells.map((cell) => element("td", {}, cell)));
  }));
  const head = element("tr", {}, look.groups[group].heading ? element("th", { scope: "col" }, look.groups[group].heading) : element("td", {}), columns.map(({ name }) => element("th", { scope: "col" }, name)));
  const table = element("table", { className: "sheet" }, element("thead", {}, head), element("tbody", {}, rows));
  const title = element("h3", {}, items[0]?.title || tag, element("span", { className: "note" }, `as of ${nameOf(look)}`), help(run, look, items[0]?.view));
  return element("section", { className: "view" }, title, element("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": `${tag} of ${run.name}` }, table));
}
