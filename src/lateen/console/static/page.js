"use strict";
// The console: asks /lateen/v1/* for plain data and shows it. Text from the mesh becomes text nodes
// only, never markup.

const API = "/lateen/v1";
const TRAFFIC_SECONDS = 3;
const SVG = "http://www.w3.org/2000/svg";
const data = { status: null, overview: null, proxies: null, traffic: null };
const view = { namespace: "", filter: "", drawn: {}, before: null, rates: new Map() };
const $ = (id) => document.getElementById(id);

// ---- small tools ----
function h(tag, props, ...children) {
  const node = document.createElement(tag);
  return filled(node, props, children);
}
function s(tag, props, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}
function filled(node, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return node;
}
const pill = (text, tone) => h("span", { class: `pill ${tone}` }, text);
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const n = Math.max(0, Math.floor(seconds));
  if (n < 120) return `${n}s`;
  if (n < 7200) return `${Math.floor(n / 60)}m`;
  if (n < 172800) return `${Math.floor(n / 3600)}h`;
  return `${Math.floor(n / 86400)}d`;
}
function rateText(rate) {
  if (rate === 0) return "0/s";
  return rate < 10 ? `${rate.toFixed(1)}/s` : `${Math.round(rate)}/s`;
}
const short = (host) => host.replace(/\.svc\.cluster\.local$/, "");
function wanted(namespace, ...words) {
  if (view.namespace && namespace !== view.namespace) return false;
  return !view.filter || words.join(" ").toLowerCase().includes(view.filter);
}
// Draw a part only when what it shows has changed, so that focus and selection stay.
function draw(id, shown, make) {
  const now = JSON.stringify(shown);
  if (view.drawn[id] === now) return;
  view.drawn[id] = now;
  $(id).replaceChildren(...[make()].flat());
}

// ---- asking ----
async function ask(path) {
  const answer = await fetch(API + path, { credentials: "same-origin", cache: "no-store" });
  if (answer.status === 401) throw new Error("unauthorized");
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
let asking = false;
let again = false;
async function refresh() {
  if (asking) { again = true; return; }
  asking = true;
  try {
    const [status, overview, proxies] = await Promise.all([ask("/status"), ask("/overview"), ask("/proxies")]);
    Object.assign(data, { status, overview, proxies });
    say("");
    show();
  } catch (fault) {
    failed(fault);
  } finally {
    asking = false;
    if (again) { again = false; setTimeout(refresh, 300); }
  }
}
async function refreshTraffic() {
  if (document.hidden) return;
  try {
    const traffic = await ask("/traffic");
    measure(traffic.edges);
    data.traffic = traffic;
    show();
  } catch (fault) {
    failed(fault);
  }
}
function failed(fault) {
  $("live").classList.add("off");
  if (fault.message === "unauthorized") {
    say("This page needs its token: open the address that lateen printed (or `lateen status`).");
  } else {
    say("The control plane does not answer; pods and proxies go on. Trying again.");
  }
}
function say(text) {
  $("banner").hidden = !text;
  $("banner").textContent = text;
}
const keyOf = (e) => [e.source_namespace, e.source, e.destination_namespace, e.destination, e.version].join("|");
function measure(edges) {
  const now = performance.now() / 1000;
  const counted = new Map(edges.map((e) => [keyOf(e), e]));
  if (view.before) {
    const passed = now - view.before.at;
    view.rates.clear();
    for (const [key, edge] of counted) {
      const old = view.before.counted.get(key) || { requests: 0, errors: 0 };
      const since = (field) => Math.max(0, edge[field] - old[field]);
      view.rates.set(key, { rate: since("requests") / passed, errors: since("errors") / passed });
    }
  }
  view.before = { at: now, counted };
}

// ---- showing ----
function show() {
  if (!data.status || !data.overview || !data.proxies) return;
  showHeader();
  showTiles();
  showUnhealthy();
  showGraph();
  showPods();
  showServices();
  showProblems();
  $("updated").textContent = `revision ${data.overview.revision}, ${new Date().toLocaleTimeString()}`;
}
function showHeader() {
  const { name, phase } = data.status;
  $("mesh").textContent = name;
  document.title = `${name}: ${phase} · lateen`;
  $("phase").textContent = phase;
  $("phase").className = `pill ${{ ready: "ok", degraded: "bad" }[phase] || "warn"}`;
  const names = [...new Set(data.overview.pods.concat(data.overview.services).map((o) => o.namespace))].sort();
  draw("namespace", names, () => [
    h("option", { value: "" }, "all namespaces"),
    ...names.map((n) => h("option", { value: n, ...(n === view.namespace ? { selected: "" } : {}) }, n)),
  ]);
}
function showTiles() {
  const pods = data.status.pods || [];
  const proxies = data.proxies.proxies || [];
  const ready = pods.filter((p) => p.isReady).length;
  const programmed = proxies.filter((p) => p.state === "programmed").length;
  const errors = (data.status.problems || []).filter((p) => p.level === "Error").length;
  const warnings = (data.status.problems || []).filter((p) => p.level === "Warning").length;
  let rate = 0, failing = 0, requests = 0, mutual = 0;
  for (const edge of data.traffic ? data.traffic.edges : []) {
    const seen = view.rates.get(keyOf(edge));
    rate += seen ? seen.rate : 0;
    failing += seen ? seen.errors : 0;
    requests += edge.requests;
    mutual += edge.mutual;
  }
  const urls = data.status.urls || [];
  const tiles = [
    [`${ready}`, `/${pods.length}`, "pods ready", ready === pods.length ? "ok" : "warn"],
    [`${programmed}`, `/${proxies.length}`, "proxies programmed", programmed === proxies.length ? "ok" : "warn"],
    [rateText(rate), "", requests ? `${requests.toLocaleString("en")} requests so far` : "no requests yet", ""],
    [rate ? `${((100 * failing) / rate).toFixed(1)} %` : "–", "", "answered 5xx now", rate && failing / rate > 0.05 ? "bad" : ""],
    [`${errors + warnings}`, "", errors ? `problems, ${errors} of them errors` : "problems", errors ? "bad" : warnings ? "warn" : "ok"],
  ];
  draw("tiles", [tiles, urls], () => [
    ...tiles.map(([big, small, label, tone]) =>
      h("div", { class: `tile ${tone}` }, h("b", {}, big, small ? h("small", {}, small) : null), h("span", {}, label))),
    urls.length
      ? h("div", { class: "tile" }, ...urls.map((u) => h("a", { href: u.url, rel: "noreferrer", target: "_blank" }, u.url)), h("span", {}, "gateways"))
      : null,
  ].filter(Boolean));
}
function showUnhealthy() {
  const pods = (data.status.pods || []).filter((p) => !p.isReady && !["Succeeded", "Completed"].includes(p.state));
  const refused = (data.proxies.proxies || []).flatMap((p) => (p.refused || []).map((r) => ({ who: `${p.namespace}/${p.pod}`, ...r })));
  $("unhealthy").hidden = !pods.length && !refused.length;
  const shown = [pods.map((p) => [p.namespace, p.name, p.state, p.message]), refused];
  draw("unhealthy", shown, () => [
    h("strong", {}, "Needs attention"),
    h("ul", {},
      ...pods.map((p) => h("li", {}, pill(p.state, tone(p)), " ", h("span", { class: "mono" }, `${p.namespace}/${p.name}`), p.message ? `: ${p.message}` : "")),
      ...refused.map((r) => h("li", {}, pill("refused", "bad"), " ", h("span", { class: "mono" }, r.who), ` did not take ${r.type} ${r.names}: ${r.message}`))),
  ]);
}
function tone(pod) {
  if (pod.isReady || ["Succeeded", "Completed"].includes(pod.state)) return "ok";
  return /Fail|Error|BackOff|OOM|Invalid/.test(pod.state) ? "bad" : "warn";
}
function showPods() {
  const certificates = new Map((data.proxies.proxies || []).map((p) => [`${p.namespace}/${p.pod}`, p]));
  const pods = (data.status.pods || []).filter((p) => wanted(p.namespace, p.namespace, p.name, p.state, p.ip));
  const rows = pods.map((p) => {
    const proxy = certificates.get(`${p.namespace}/${p.name}`);
    const left = proxy ? proxy.certificateSeconds : null;
    return { ...p, age: duration(p.age), left: left ? duration(left) : "–", late: Boolean(left) && left < 600, identity: proxy ? proxy.identity || "" : "" };
  });
  $("pods-count").textContent = `${rows.length}`;
  draw("pods-body", rows, () => rows.length ? rows.map((p) =>
    h("tr", {},
      h("td", {}, h("span", { class: "sub" }, `${p.namespace}/`), p.name, p.message && !p.isReady ? h("div", { class: "note" }, p.message) : null),
      h("td", {}, p.ready),
      h("td", {}, pill(p.state, tone(p))),
      h("td", { class: "number" }, `${p.restarts}`),
      h("td", {}, p.proxy ? pill(p.proxy, p.proxy === "programmed" ? "ok" : p.proxy === "refused" ? "bad" : "warn") : h("span", { class: "sub" }, "none")),
      h("td", { class: "number", title: p.identity }, p.late ? pill(p.left, "warn") : p.left),
      h("td", { class: "mono" }, p.ip || "–"),
      h("td", { class: "number" }, p.age)))
    : h("tr", {}, h("td", { colspan: 8, class: "sub" }, "No pods here.")));
}
function showServices() {
  const routes = data.overview.routes;
  const services = data.overview.services.filter((v) => wanted(v.namespace, v.namespace, v.name, v.address, v.type));
  $("services-count").textContent = `${services.length}`;
  const shown = services.map((v) => ({ ...v, routes: v.routes.map((i) => routes[i]) }));
  draw("services-body", shown, () => shown.length ? shown.map(service) : h("p", { class: "empty" }, "No services here."));
}
function service(v) {
  const tone = v.type === "ExternalName" ? "" : v.ready && v.ready === v.endpoints ? "ok" : v.ready ? "warn" : "bad";
  const ports = v.ports.map((p) => `${p.port}${p.name ? ` ${p.name}` : ""}`).join(", ");
  return h("article", { class: "service" },
    h("h3", {}, h("span", {}, h("span", { class: "sub" }, `${v.namespace}/`), v.name), pill(`${v.ready}/${v.endpoints} ready`, tone)),
    h("p", { class: "facts" }, `${v.type}  `, h("span", { class: "mono" }, v.address || "–"), ports ? `  ·  ${ports}` : ""),
    v.routes.map((r) => h("div", { class: "route" },
      h("div", {}, r.match.length ? r.match.join("  or  ") : "all requests", r.extra.length ? h("span", { class: "sub" }, `  ·  ${r.extra.join(", ")}`) : null),
      r.to.map((to) => h("div", { class: "split" },
        h("span", { title: to.host }, short(to.host), to.subset ? h("b", {}, ` ${to.subset}`) : null),
        bar(to.weight), h("span", { class: "number" }, `${to.weight} %`))),
      h("div", { class: "where" }, `VirtualService ${r.namespace}/${r.name}${r.rule ? ` ${r.rule}` : ""}, ${r.hosts.join(", ")} at ${r.gateways.join(", ")}${r.place ? `, ${r.place}` : ""}`))));
}
function bar(share) {
  const inner = h("i", {});
  inner.style.width = `${Math.min(100, Math.max(0, share))}%`;
  return h("span", { class: "bar" }, inner);
}
function showProblems() {
  const problems = (data.status.problems || []).filter((p) => wanted(p.namespace || view.namespace, p.code, p.kind, p.name, p.message, p.file, p.field));
  $("problems-count").textContent = `${problems.length}`;
  draw("problems-body", problems, () => problems.length ? problems.map((p) => {
    const place = p.file ? `${p.file}${p.line ? `:${p.line}` : ""}${p.line && p.column ? `:${p.column}` : ""}` : "";
    const who = p.kind ? `${p.kind} ${p.namespace ? `${p.namespace}/` : ""}${p.name}` : "lateen";
    return h("div", { class: "problem" },
      h("div", {}, pill(p.level, { Error: "bad", Warning: "warn" }[p.level] || "")),
      h("div", {}, h("p", {}, h("b", {}, p.code), ` ${who}${p.field ? ` ${p.field}` : ""}`), h("p", {}, p.message, p.fix ? h("span", { class: "sub" }, ` (${p.fix})`) : null), place ? h("p", { class: "place" }, place) : null));
  }) : h("p", { class: "empty" }, "Nothing is wrong."));
}

// ---- the graph ----
const NODE = { width: 168, height: 46, gapX: 120, gapY: 26, pad: 24 };
function showGraph() {
  const edges = (data.traffic ? data.traffic.edges : []).filter((e) => !view.namespace || [e.source_namespace, e.destination_namespace].includes(view.namespace));
  const shown = edges.map((e) => ({ ...e, ...(view.rates.get(keyOf(e)) || { rate: 0, errorsNow: 0 }), total: e.requests, failed: e.errors }));
  draw("graph-body", [shown, view.filter], () => shown.length ? graph(shown) : h("p", { class: "empty" }, "No requests yet: send one to a gateway, and the services it passes appear here."));
}
function graph(edges) {
  const nodes = placed(edges);
  const columns = Math.max(...[...nodes.values()].map((n) => n.column)) + 1;
  const rows = Math.max(...[...nodes.values()].map((n) => n.row)) + 1;
  const width = columns * NODE.width + (columns - 1) * NODE.gapX + 2 * NODE.pad;
  const height = rows * (NODE.height + NODE.gapY) - NODE.gapY + 2 * NODE.pad;
  const busiest = Math.max(...edges.map((e) => e.rate), 1);
  const drawing = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${nodes.size} workloads, ${edges.length} edges` },
    edges.map((e) => edge(e, nodes, busiest)), [...nodes.values()].map(node));
  drawing.style.width = "100%"; // shrinks to fit, down to where words stay legible; then it scrolls
  drawing.style.minWidth = `${0.72 * width}px`;
  drawing.style.maxWidth = `${width}px`;
  return drawing;
}
const nodeId = (namespace, name) => `${namespace}/${name}`;
function placed(edges) {
  const nodes = new Map();
  const add = (namespace, name, version) => {
    const id = nodeId(namespace, name);
    if (!nodes.has(id)) nodes.set(id, { id, namespace, name, version, column: 0, row: 0, in: [], requests: 0, failed: 0 });
    return nodes.get(id);
  };
  for (const e of edges) {
    const from = add(e.source_namespace, e.source, "");
    const to = add(e.destination_namespace, e.destination, e.version);
    if (from !== to) to.in.push(from);
    to.requests += e.total;
    to.failed += e.failed;
  }
  // The longest way from a source gives the column; a cycle stops at the number of nodes.
  for (let round = 0; round < nodes.size; round++) {
    let moved = false;
    for (const n of nodes.values()) {
      const column = Math.min(nodes.size - 1, Math.max(0, ...n.in.map((p) => p.column + 1)));
      if (column > n.column && column <= round + 1) { n.column = column; moved = true; }
    }
    if (!moved) break;
  }
  const columns = [];
  for (const n of nodes.values()) (columns[n.column] ||= []).push(n);
  const tallest = Math.max(...columns.filter(Boolean).map((c) => c.length));
  columns.filter(Boolean).forEach((column, at) => {
    const middle = (n) => (n.in.length ? n.in.reduce((sum, p) => sum + p.row, 0) / n.in.length : 0);
    column.sort((a, b) => middle(a) - middle(b) || a.id.localeCompare(b.id));
    column.forEach((n, row) => { n.column = at; n.row = row + (tallest - column.length) / 2; });
  });
  for (const n of nodes.values()) {
    n.x = NODE.pad + n.column * (NODE.width + NODE.gapX);
    n.y = NODE.pad + n.row * (NODE.height + NODE.gapY);
  }
  return nodes;
}
const matches = (...words) => !view.filter || words.join(" ").toLowerCase().includes(view.filter);
function node(n) {
  const outside = n.name === "unknown";
  const title = outside ? "outside the mesh" : n.name.length > 20 ? `${n.name.slice(0, 19)}…` : n.name;
  const mark = n.requests ? (n.failed / n.requests > 0.05 ? "mark bad" : "mark") : "mark none";
  const version = n.version && n.version !== "unknown" ? ` ${n.version}` : "";
  return s("g", { class: matches(n.namespace, n.name) ? "node" : "node dim", tabindex: 0, transform: `translate(${n.x} ${n.y})` },
    s("title", {}, `${n.namespace}/${n.name}: ${n.requests} requests, ${n.failed} answered 5xx`),
    s("rect", { class: "box", width: NODE.width, height: NODE.height, rx: 10 }),
    s("circle", { class: mark, cx: 16, cy: NODE.height / 2, r: 4.5 }),
    s("text", { x: 30, y: 20 }, title),
    s("text", { x: 30, y: 35, class: "soft" }, outside ? "no proxy" : `${n.namespace}${version}`));
}
function edge(e, nodes, busiest) {
  const from = nodes.get(nodeId(e.source_namespace, e.source));
  const to = nodes.get(nodeId(e.destination_namespace, e.destination));
  const share = e.total ? e.failed / e.total : 0;
  const tone = share > 0.05 ? "bad" : share > 0 ? "warn" : "";
  const forward = to.column > from.column;
  const x1 = from.x + NODE.width, y1 = from.y + NODE.height / 2;
  const x2 = forward ? to.x : to.x + NODE.width, y2 = to.y + NODE.height / 2;
  // Over several columns the edge keeps its height first, and bends in the last gap only.
  const turn = forward ? x2 - NODE.gapX : x1;
  const bend = forward ? NODE.gapX / 2 : 70;
  const far = forward ? x2 - bend : x2 + bend;
  const path = `M${x1} ${y1} H${turn} C${turn + bend} ${y1} ${far} ${y2} ${x2} ${y2}`;
  const locked = Boolean(e.total) && e.mutual >= e.total;
  const label = e.total ? (e.rate ? rateText(e.rate) : `${e.total}`) : `${e.connections} tcp`;
  const at = forward ? 0.62 : 0.5; // nearer its end, where the edges of one source have parted
  const along = (a, b, c, d) => (1 - at) ** 3 * a + 3 * (1 - at) ** 2 * at * b + 3 * (1 - at) * at ** 2 * c + at ** 3 * d;
  const x = along(turn, turn + bend, far, x2), y = along(y1, y1, y2, y2);
  const half = 10 + label.length * 3.3 + (locked ? 7 : 0);
  const words = `${e.source} → ${e.destination}${e.version && e.version !== "unknown" ? ` ${e.version}` : ""}: ${e.total} requests, ${e.failed} answered 5xx${e.milliseconds === null ? "" : `, ${e.milliseconds.toFixed(1)} ms on average`}, ${e.mutual} over mTLS`;
  return s("g", { class: matches(e.source, e.destination) ? "" : "dim" },
    s("title", {}, words),
    s("path", { class: `edge ${tone}`, d: path, "stroke-width": 2 + 5 * Math.sqrt(e.rate / busiest) }),
    e.rate ? s("path", { class: "flow", d: path }) : null,
    s("rect", { class: "tag", x: x - half, y: y - 10, width: 2 * half, height: 20, rx: 10 }),
    locked ? s("g", { class: "lock", transform: `translate(${x - half + 7} ${y - 6.5})` }, s("path", { d: "M1 5.5h9V12H1zM3 5.5v-2a2.5 2.5 0 0 1 5 0v2" })) : null,
    s("text", { x: x + (locked ? 7 : 0), y: y + 4, "text-anchor": "middle", class: "soft" }, label));
}

// ---- starting ----
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("lateen-theme", theme); } catch { /* private mode: not kept */ }
}
function start() {
  let theme = null;
  try { theme = localStorage.getItem("lateen-theme"); } catch { /* private mode */ }
  setTheme(theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  if (location.search) history.replaceState(null, "", location.pathname + location.hash);
  $("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  $("filter").addEventListener("input", (event) => { view.filter = event.target.value.trim().toLowerCase(); show(); });
  $("namespace").addEventListener("change", (event) => { view.namespace = event.target.value; show(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement.tagName !== "INPUT") { event.preventDefault(); $("filter").focus(); }
    if (event.key === "Escape" && document.activeElement === $("filter")) $("filter").blur();
  });
  const events = new EventSource(`${API}/events`);
  events.addEventListener("open", () => { $("live").classList.remove("off"); refresh(); });
  events.addEventListener("changed", refresh);
  events.addEventListener("error", () => { $("live").classList.add("off"); if (events.readyState === EventSource.CLOSED) refresh(); });
  refresh();
  refreshTraffic();
  setInterval(refreshTraffic, TRAFFIC_SECONDS * 1000);
  setInterval(() => { if (!document.hidden) refresh(); }, 5000);
}
start();
