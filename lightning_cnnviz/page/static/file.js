// What report.html runs: the page with its own contents as the source.

import { start } from "./app.js";
import { EmbeddedSource } from "./sources.js";

start(new EmbeddedSource(document), document.body);
