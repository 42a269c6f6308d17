// What is in sight is painted at once, the rest while the page rests.

const MARGIN = "100px";
const isInSight = new Map();
const paints = new WeakMap();
const names = new WeakMap();

const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!target.isConnected) continue; // another has taken its place
    isInSight.set(names.get(target), isIntersecting);
    if (isIntersecting) paintNow(target);
  }
}, { rootMargin: MARGIN });

/** Paints a canvas at once, or later where one of the same name was out of sight when the page was last drawn. */
export function paintInTime(canvas, name, paint) {
  names.set(canvas, name);
  paints.set(canvas, paint);
  observer.observe(canvas);
  canvas.classList.add("waiting");
  if (isInSight.get(name) ?? true) paintNow(canvas);
}

/** Paints what has been left out. */
export function paintRest(root) {
  root.querySelectorAll("canvas.waiting").forEach(paintNow);
}

function paintNow(canvas) {
  if (!canvas.classList.contains("waiting")) return;
  canvas.classList.remove("waiting");
  paints.get(canvas)();
  paints.delete(canvas);
}
