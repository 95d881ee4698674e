// The console's beginning: the token leaves the address, and the page that the address names is shown.
import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/graph.css";
import "./style/pages.css";
import { App } from "./app";
import { begin } from "./data/live";

if (location.search) history.replaceState(null, "", location.pathname + location.hash);
begin();
const root = document.getElementById("app");
if (root) render(<App />, root);
