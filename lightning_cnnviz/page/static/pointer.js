// The value under the pointer.

import { short } from "./dom.js";

const shown = new WeakMap();

/** Remembers what a canvas shows. */
export function remember(canvas, cell, sample, column) {
  shown.set(canvas, { cell, sample, column });
}

/** Tells the value of whatever map the pointer is over, and null where it is over none. */
export function watchPointer(root, tell) {
  root.addEventListener("pointermove", (event) => {
    const found = shown.get(event.target);
    tell(found ? valueAt(event, found) : null, event);
  });
  root.addEventListener("pointerleave", () => tell(null));
}

function valueAt({ target: canvas, clientX, clientY }, { cell, sample, column }) {
  const box = canvas.getBoundingClientRect();
  const [{ height, width }] = cell.maps;
  const { a: across = 1, d: down = 1 } = canvas.style.transform ? new DOMMatrix(canvas.style.transform) : {};
  const at = (share, count, mirrored) => Math.min(count - 1, Math.max(0, Math.floor((mirrored ? 1 - share : share) * count)));
  const x = at((clientX - box.left) / box.width, width, across < 0);
  const y = at((clientY - box.top) / box.height, height, down < 0);
  const values = cell.maps.map((map) => short(map.values[y * width + x])).join(", ");
  const where = [cell.item.tag, cell.item.group === null ? "" : `sample ${sample}`, column].filter(Boolean).join(" · ");
  if (cell.item.classes) {
    const found = cell.item.classes.find(([index]) => index === Math.round(cell.maps[0].values[y * width + x]));
    return `${found ? found[1] : "none"}\n${where}\nrow ${y}, column ${x}`;
  }
  return `${values}\n${where}\nrow ${y}, column ${x} · colors ${short(cell.limits[0])} to ${short(cell.limits[1])}`;
}
