// What report.html runs: the page with its own contents as the source.

import { start } from "./app.js";
import { EmbeddedSource } from "./sources.js";

document.querySelector(".unfinished").remove();
start(new EmbeddedSource(document), document.body);
