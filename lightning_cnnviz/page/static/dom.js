// Elements are made here and nowhere else: text goes in as text, never as markup.

/** Makes an element; `on…` properties are listeners, `aria-…`, `data-…` and `role` attributes, null and false are left out. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, entry] of Object.entries(value)) node.style.setProperty(key, entry);
    else if (name in node && !name.includes("-") && name !== "list") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** A tag or a layer that may be broken after each of its parts. */
export function breakable(name) {
  return name.split(/(?<=[/._])/).flatMap((part, i) => (i ? [element("wbr"), part] : [part]));
}

/** A labelled drop-down list; `choices` are pairs of value and text. */
export function select(label, choices, chosen, change) {
  const options = choices.map(([value, text]) => element("option", { value, selected: value === chosen }, text));
  const list = element("select", { "data-key": `choice/${label}`, onchange: (event) => change(event.target.value) }, options);
  return element("label", { className: "control" }, element("span", {}, label), list);
}

/** The bytes that base64 stands for. */
export function bytesOf(base64) {
  return Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** A number with few digits, as a person writes it. */
export function short(value) {
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return "not finite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** A probability as it is read, with the digits that the pictures have. */
export function percent(value) {
  if (value > 0 && value < 0.0005) return "<0.1%";
  return value > 0 && value < 0.01 ? `${(Math.round(1000 * value) / 10).toFixed(1)}%` : `${Math.round(100 * value)}%`;
}
