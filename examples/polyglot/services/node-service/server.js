// The front page. GET / is the page; GET /api/v1/page-data asks the other services through the mesh.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const port = Number(process.env.PORT ?? 3000);
const settingsFile = process.env.PAGE_SETTINGS ?? "/config/page.json";
const services = {
  fastapi: process.env.FASTAPI_URL ?? "http://fastapi-service:8000",
  go: process.env.GO_SERVICE_URL ?? "http://go-service:8080",
  java: process.env.JAVA_SERVICE_URL ?? "http://java-service:8080",
  canary: process.env.MY_SERVICE_URL ?? "http://my-service",
};
const page = readFileSync(new URL("page.html", import.meta.url), "utf8");

const sampleOrder = {
  customer: "BUSINESS",
  country: "DE",
  lines: [{ sku: "SAIL-12", quantity: 12, unitPrice: 19.9 }],
};

/** The page's title and note come from a mounted ConfigMap, and so may change while it runs. */
function settings() {
  try {
    const { title, note } = JSON.parse(readFileSync(settingsFile, "utf8"));
    return { title: String(title ?? ""), note: String(note ?? "") };
  } catch (fault) {
    if (fault.code !== "ENOENT") console.error(`${settingsFile}: ${fault.message}`);
    return { title: "Polyglot services", note: "" };
  }
}

/** Ask one service; what went wrong is part of the answer, so that one fault hides no other. */
async function ask(url, body) {
  const started = performance.now();
  const done = (rest) => ({ url, milliseconds: Math.round(performance.now() - started), ...rest });
  try {
    const response = await fetch(url, {
      method: body ? "POST" : "GET",
      headers: body ? { "content-type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(5000),
    });
    const text = await response.text();
    let answer = text;
    try {
      answer = JSON.parse(text);
    } catch {
      // Envoy's own answers are plain text.
    }
    return done({ status: response.status, answer });
  } catch (fault) {
    return done({ status: 0, answer: String(fault.cause?.message ?? fault.message) });
  }
}

async function pageData() {
  const [predict, callGo, gateway, quote, canary] = await Promise.all([
    ask(`${services.fastapi}/api/v1/predict`, { data: [1, 2, 3] }),
    ask(`${services.fastapi}/api/v1/call-go`),
    ask(`${services.go}/api/v1/gateway`),
    ask(`${services.java}/api/v1/quotes`, sampleOrder),
    ask(`${services.canary}/api/v1/canary`),
  ]);
  return { service: "node-service", predict, callGo, gateway, quote, canary };
}

function send(response, status, type, body) {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(body);
}

const json = (response, status, body) =>
  send(response, status, "application/json", JSON.stringify(body));

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text) => text.replace(/[&<>"']/g, (sign) => escapes[sign]);

function frontPage() {
  const { title, note } = settings();
  return page.replaceAll("{{title}}", () => escaped(title)).replaceAll("{{note}}", () => escaped(note));
}

const routes = {
  "/": (response) => send(response, 200, "text/html; charset=utf-8", frontPage()),
  "/health": (response) => json(response, 200, { status: "healthy" }),
  "/ready": (response) => json(response, 200, { status: "ready" }),
  "/api/v1/page-data": async (response) => json(response, 200, await pageData()),
};

const server = createServer(async (request, response) => {
  const path = request.url.split("?", 1)[0];
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) return json(response, 404, { error: "no such page" });
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return json(response, 405, { error: "use GET" });
  }
  try {
    return await route(response);
  } catch (fault) {
    console.error(fault);
    return json(response, 500, { error: "the page could not be made" });
  }
});

server.listen(port, () => console.log(`node-service listening on ${port}`));
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
