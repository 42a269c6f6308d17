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
