// Looks of several runs on one axis: the epoch, with untrained looks before 0.

/** Gives each look its place: its epoch, a fraction more for further looks in the same one, -1 before training. */
export function inOrder(looks, single = false) {
  const sorted = [...looks].sort((one, other) => one.step - other.step);
  const inEpoch = Map.groupBy(sorted, (look) => look.epoch ?? "none");
  const trained = sorted.some((look) => look.epoch !== null);
  let last = -2;
  return sorted.map((look, index) => {
    const together = inEpoch.get(look.epoch ?? "none");
    if (look.epoch !== null) last = look.epoch + together.indexOf(look) / together.length;
    else if (!trained) last = index;
    else last = index === 0 ? -1 : last + 0.5 / looks.length; // after training, as `trainer.test` looks
    return { ...look, place: last, single };
  });
}

/** All places of the runs, in order. */
export function places(runs) {
  return [...new Set(runs.flatMap((run) => run.looks.map((look) => look.place)))].sort((a, b) => a - b);
}

/** What a look is called. */
export function nameOf(look) {
  if (look === null || look === undefined) return "";
  if (look.single) return "now";
  if (look.epoch === null) return look.place < 0 ? "untrained" : `step ${look.step}`;
  return Number.isInteger(look.place) ? `epoch ${look.epoch}` : `epoch ${look.epoch}, step ${look.step}`;
}
