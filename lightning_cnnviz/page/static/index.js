// What TensorBoard loads: the page with TensorBoard as its source.

import { start } from "./app.js";
import { element } from "./dom.js";
import { TensorBoardSource } from "./sources.js";

export async function render() {
  document.documentElement.lang = "en";
  document.head.append(element("meta", { name: "viewport", content: "width=device-width" }));
  const style = element("link", { rel: "stylesheet", href: "style.css" });
  const styled = new Promise((done) => ["load", "error"].forEach((event) => style.addEventListener(event, done)));
  document.head.append(style);
  await styled;
  await start(new TensorBoardSource(), document.body);
  window.focus(); // else the keys go to TensorBoard's own page
}
