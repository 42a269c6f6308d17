// Sets of samples: which groups of a run's looks are about the same ones. A sample is named "3", or "1.3" in the second set.

/** The sets of a run in the order in which they appear; where one begins with all of another, as 32 with 8, they are one. */
export function sampleSets(looks, setups) {
  const sets = [];
  for (const look of looks) {
    for (const { setup: id, name, own } of look.groups) {
      if (own || sets.some(({ ids }) => ids.has(id))) continue;
      const setup = setups.get(id);
      const same = sets.find((set) => begins(set.setup, setup) || begins(setup, set.setup));
      if (!same) sets.push({ ids: new Set([id]), setup, name });
      else {
        same.ids.add(id);
        if (setup.urls.length > same.setup.urls.length) same.setup = setup;
      }
    }
  }
  return sets;
}

function begins(longer, shorter) {
  return shorter.keys.length > 0 && shorter.keys.every((key, i) => key === longer.keys[i]);
}

/** A tag without the name of its set before it: "kept/grad_cam/body" of the set "kept" is "grad_cam/body". */
export function tagWithin(set, tag) {
  return set?.name && tag.startsWith(`${set.name}/`) ? tag.slice(set.name.length + 1) : tag;
}

/** What a set is called beside others of the same run. */
export function setTitle({ name, setup }) {
  return name || `${setup.urls.length} samples`;
}

export function sampleName(set, sample) {
  return set ? `${set}.${sample}` : String(sample);
}

/** Set and sample of a name; null for all samples. */
export function readSample(name) {
  if (name === "") return null;
  const [sample, set = "0"] = name.split(".").reverse();
  return { set: Number(set), sample: Number(sample) };
}
