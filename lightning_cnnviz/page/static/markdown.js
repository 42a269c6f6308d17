// The little Markdown that our notes are written in: tables, lists, bold. Everything else stays the text that it is.

import { breakable, element } from "./dom.js";

export function markdown(text) {
  const blocks = text.split(/\n\s*\n/).map((block) => block.split("\n").filter((line) => line.trim()));
  return element("div", { className: "markdown" }, blocks.filter((lines) => lines.length).map(block));
}

function block(lines) {
  if (lines.length > 1 && /^\s*\|/.test(lines[0]) && /^\s*\|[\s:|-]+$/.test(lines[1])) return table(lines);
  if (lines.every((line) => /^\s*[-*] /.test(line))) return element("ul", {}, lines.map((line) => element("li", {}, inline(line.replace(/^\s*[-*] /, "")))));
  return element("p", {}, lines.flatMap((line, i) => (i ? [element("br"), ...inline(line)] : inline(line))));
}

function table([head, , ...rows]) {
  const line = (row, tag, scope) => element("tr", {}, cells(row).map((text) => element(tag, scope ? { scope } : {}, scope ? breakable(text) : inline(text))));
  return element("div", { className: "wide", tabIndex: 0, role: "group", "aria-label": "Table" }, element("table", {}, element("thead", {}, line(head, "th", "col")), element("tbody", {}, rows.map((row) => line(row, "td")))));
}

function cells(row) {
  return row.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function inline(text) {
  return text.split(/(\*\*.+?\*\*)/).filter(Boolean).map((part) => (/^\*\*.+\*\*$/.test(part) ? element("strong", {}, part.slice(2, -2)) : part));
}
