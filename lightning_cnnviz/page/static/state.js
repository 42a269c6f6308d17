// What is being looked at, and its link: #run=…&epoch=…&sample=…&view=…

const DEFAULTS = { run: [], epoch: "", sample: "", view: "samples", layer: "", family: "", film: "", scale: "", colormap: "", difference: "", opacity: "0.6" };
const PREFIX = "p.cnnviz.";

/** Where the link is: TensorBoard's own address where we are its guest, else that of the page. */
function host() {
  try {
    if (window.parent !== window && window.parent.location.origin === window.location.origin && window.location.origin !== "null") {
      return window.parent;
    }
  } catch {
    // A stranger's page, which may not be read.
  }
  return window;
}

export function readLink() {
  const state = structuredClone(DEFAULTS);
  const guest = host() !== window;
  for (const [name, value] of new URLSearchParams(host().location.hash.slice(1).replace(/^[a-z]+&(?=p\.)/, ""))) {
    const key = guest ? name.replace(PREFIX, "") : name;
    if (guest && !name.startsWith(PREFIX)) continue;
    if (key === "run") state.run.push(value);
    else if (key in DEFAULTS) state[key] = value;
  }
  return state;
}

/** The link to a state: what is as ever is left out. */
export function linkTo(state) {
  const guest = host() !== window;
  const link = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    if (!(key in DEFAULTS)) continue;
    for (const entry of Array.isArray(value) ? value : value === DEFAULTS[key] ? [] : [value]) {
      link.append(guest ? PREFIX + key : key, entry);
    }
  }
  const text = link.toString();
  return guest ? `#cnnviz${text ? "&" : ""}${text}` : `#${text}`;
}

export function writeLink(state) {
  try {
    host().history.replaceState(host().history.state, "", linkTo(state));
  } catch {
    // A page from the disk may refuse after too many changes; the page works without its link.
  }
}

/** Dark as the host is: TensorBoard has a button of its own for it. */
export function followTheme(root) {
  const outer = host();
  if (outer === window) return;
  const apply = () => {
    root.dataset.theme = outer.document.body.classList.contains("dark-mode") ? "dark" : "light";
  };
  apply();
  new MutationObserver(apply).observe(outer.document.body, { attributes: true, attributeFilter: ["class"] });
}
