// Where the reader is on the page, kept over a drawing.

/** What had the focus or was scrolled aside is so again after the page was drawn anew. */
export function keepingFocus(change) {
  const focused = document.activeElement;
  const key = focused?.dataset?.key;
  const aside = new Map([...document.querySelectorAll(".wide")].filter((node) => node.scrollLeft).map((node) => [node.getAttribute("aria-label"), node.scrollLeft]));
  change();
  // Asked for where it is needed only: the browser has to lay out the page for an answer.
  if (aside.size) for (const node of document.querySelectorAll(".wide")) node.scrollLeft = aside.get(node.getAttribute("aria-label")) ?? 0;
  if (key && !focused.isConnected) document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** Moves sideways as far as it takes to see the chosen epoch beside the first column. */
export function reveal(wide) {
  const chosen = wide.querySelector("thead [aria-current]");
  if (!chosen) return;
  const [box, cell, first] = [wide, chosen, wide.querySelector("th")].map((node) => node.getBoundingClientRect());
  // With a neighbor on each side, for that is what one compares it with.
  const beside = cell.width;
  if (cell.left - beside < first.right) wide.scrollLeft -= first.right - cell.left + beside;
  else if (cell.right + beside > box.right) wide.scrollLeft += cell.right + beside - box.right;
}
