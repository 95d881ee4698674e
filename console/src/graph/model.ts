// The graph's cards: one for each service, with a row for each workload behind it; boxes are namespaces.
import type { Overview, OverviewPod, Service } from "../data/types";
import { type Flow, flowKey } from "./flows";

export type Health = "good" | "warn" | "bad" | "idle";

export interface Row {
  id: string;
  namespace: string;
  workload: string;
  version: string;
  ready: number;
  pods: number;
  rate: number; // requests a second that arrive
  errors: number; // share of them that fail
  health: Health;
}

export type CardKind = "service" | "workload" | "gateway" | "outside";

export interface Card {
  id: string;
  kind: CardKind;
  namespace: string;
  name: string;
  rows: Row[];
  health: Health;
}

export interface Link {
  id: string;
  from: string; // row ids
  to: string;
  flow: Flow;
  health: Health;
}

export interface Graph {
  cards: Card[];
  links: Link[];
}

export const OUTSIDE = ""; // the namespace of what is not in the mesh
export const BAD_SHARE = 0.05;
export const WARN_SHARE = 0.001;
const UNKNOWN = "unknown";

const rowId = (namespace: string, workload: string) => `${namespace}/${workload}`;

/** How an error share is judged, and traffic that is not there. */
export function healthOf(rate: number, errors: number): Health {
  if (rate <= 0) return "idle";
  if (errors >= BAD_SHARE) return "bad";
  return errors >= WARN_SHARE ? "warn" : "good";
}

/** Cards and links of what runs and what flows; the same input gives the same order. */
export function graphOf(overview: Overview, flows: readonly Flow[]): Graph {
  const rows = rowsOf(overview.pods);
  const unreached = unreachedRows(overview, flows);
  for (const [id, row] of unreached) rows.set(id, row);
  const outside = outsideRows(flows, rows);
  for (const [id, row] of outside) rows.set(id, row);
  const links = linksOf(flows, rows);
  judge(rows, links);
  const cards = cardsOf(overview, rows, outside);
  return { cards, links };
}

function rowsOf(pods: readonly OverviewPod[]): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const pod of pods) {
    if (pod.done) continue;
    const id = rowId(pod.namespace, pod.workload);
    const row = rows.get(id) ?? newRow(pod.namespace, pod.workload, pod.version);
    row.pods += 1;
    row.ready += pod.total > 0 && pod.ready >= pod.total ? 1 : 0;
    rows.set(id, row);
  }
  return rows;
}

const newRow = (namespace: string, workload: string, version = ""): Row => ({
  id: rowId(namespace, workload),
  namespace,
  workload,
  version,
  ready: 0,
  pods: 0,
  rate: 0,
  errors: 0,
  health: "idle",
});

/** A row for each service of which a request reached no pod: its proxies know the host only. */
function unreachedRows(overview: Overview, flows: readonly Flow[]): Map<string, Row> {
  const hosts = new Map(overview.services.map((service) => [service.host, service]));
  const found = new Map<string, Row>();
  for (const flow of flows) {
    const service = hosts.get(flow.destination);
    const id = rowId(flow.destinationNamespace, flow.destination);
    if (service) found.set(id, { ...newRow(service.namespace, ""), id });
  }
  return found;
}

/** What proxies name as a peer and no pod is: callers from outside, hosts outside, pods long gone. */
function outsideRows(flows: readonly Flow[], rows: Map<string, Row>): Map<string, Row> {
  const found = new Map<string, Row>();
  const see = (namespace: string, name: string) => {
    const { id, label } = outsideName(namespace, name);
    if (!rows.has(rowId(namespace, name)) && !found.has(id)) {
      found.set(id, { ...newRow(OUTSIDE, label), id });
    }
  };
  for (const flow of flows) {
    see(flow.sourceNamespace, flow.source);
    see(flow.destinationNamespace, flow.destination);
  }
  return found;
}

function outsideName(namespace: string, name: string): { id: string; label: string } {
  if (name === UNKNOWN) return { id: "/callers outside", label: "callers outside" };
  const known = namespace && namespace !== UNKNOWN;
  return { id: `/${namespace}/${name}`, label: known ? `${name}.${namespace}` : name };
}

function linksOf(flows: readonly Flow[], rows: Map<string, Row>): Link[] {
  const found = (namespace: string, name: string) => {
    const id = rowId(namespace, name);
    return rows.has(id) ? id : outsideName(namespace, name).id;
  };
  const links = new Map<string, Link>();
  for (const flow of flows) {
    const from = found(flow.sourceNamespace, flow.source);
    const to = found(flow.destinationNamespace, flow.destination);
    const id = `${from}>${to}`;
    const before = links.get(id);
    const whole = before ? together(before.flow, flow) : flow;
    const moving = whole.rate || whole.connections;
    const health = worst([healthOf(moving, whole.errors), whole.hidden > 0 ? "warn" : "idle"]);
    links.set(id, { id, from, to, flow: whole, health });
  }
  return [...links.values()].sort((a, b) => (flowKey(a.flow) < flowKey(b.flow) ? -1 : 1));
}

/** Whether anything flows now. */
export const isMoving = (flow: Flow): boolean => flow.rate > 0 || flow.connections > 0;

function together(a: Flow, b: Flow): Flow {
  const rate = a.rate + b.rate;
  return {
    ...a,
    rate,
    errors: rate > 0 ? (a.errors * a.rate + b.errors * b.rate) / rate : 0,
    hidden: Math.max(a.hidden, b.hidden),
    p95: a.p95 === null || b.p95 === null ? (a.p95 ?? b.p95) : Math.max(a.p95, b.p95),
    connections: a.connections + b.connections,
    locked: isMoving(a) === isMoving(b) ? a.locked && b.locked : (isMoving(a) ? a : b).locked,
  };
}

function judge(rows: Map<string, Row>, links: readonly Link[]): void {
  const failing = new Map<string, number>();
  const hiding = new Set<string>();
  for (const { to, flow } of links) {
    const row = rows.get(to);
    if (!row) continue;
    row.rate += flow.rate;
    if (flow.hidden > 0) hiding.add(to);
    failing.set(to, (failing.get(to) ?? 0) + flow.rate * flow.errors);
  }
  for (const row of rows.values()) {
    row.errors = row.rate > 0 ? (failing.get(row.id) ?? 0) / row.rate : 0;
    const ofTraffic = healthOf(row.rate, row.errors);
    row.health = worst([ofTraffic, podsHealth(row), hiding.has(row.id) ? "warn" : "idle"]);
  }
}

function podsHealth(row: Row): Health {
  if (row.pods === 0) return "idle";
  if (row.ready === 0) return "bad";
  return row.ready < row.pods ? "warn" : "good";
}

const ORDER: readonly Health[] = ["idle", "good", "warn", "bad"];

/** The worst of them; idle when there are none. */
export const worst = (all: readonly Health[]): Health =>
  all.reduce((a, b) => (ORDER.indexOf(b) > ORDER.indexOf(a) ? b : a), "idle" as Health);

function cardsOf(overview: Overview, rows: Map<string, Row>, outside: Map<string, Row>): Card[] {
  const left = new Map(rows);
  const cards: Card[] = [];
  for (const service of widestFirst(overview)) {
    const unreached = [...left.keys()].filter((id) => id.endsWith(`/${service.host}`));
    const behind = [...behindOf(service, overview.pods).filter((id) => left.has(id)), ...unreached];
    if (behind.length === 0) continue;
    const own = behind.map((id) => left.get(id) as Row);
    for (const id of behind) left.delete(id);
    const gateway = /gateway/.test(service.name) && own.every((row) => row.namespace);
    cards.push(card(gateway ? "gateway" : "service", service.namespace, service.name, own));
  }
  for (const row of left.values()) {
    const kind = outside.has(row.id) ? "outside" : "workload";
    cards.push(card(kind, row.namespace, row.workload, [row]));
  }
  return cards.sort((a, b) => (a.id < b.id ? -1 : 1));
}

const card = (kind: CardKind, namespace: string, name: string, rows: Row[]): Card => ({
  id: `${kind}:${namespace}/${name}`,
  kind,
  namespace,
  name,
  rows: rows.sort((a, b) => (a.workload < b.workload ? -1 : 1)),
  health: worst(rows.map((row) => row.health)),
});

/** A row is known by its version where the card's name says the rest. */
export function rowName(card: Card, row: Row): string {
  if (card.kind === "outside") return "not in the mesh";
  if (!row.workload) return "no pod reached";
  if (row.version && row.workload === `${card.name}-${row.version}`) return row.version;
  return row.workload === card.name ? row.version || row.workload : row.workload;
}

/** Services by how many workloads they lead to, so that one for all versions goes before one for each;
 * among equals the one that is called as they are goes first. */
function widestFirst(overview: Overview): Service[] {
  const width = new Map(
    overview.services.map((service) => {
      const behind = behindOf(service, overview.pods);
      const own = behind.some((id) => id.startsWith(`${service.namespace}/${service.name}`));
      return [service, behind.length + (own ? 0.5 : 0)];
    }),
  );
  return [...overview.services].sort(
    (a, b) =>
      (width.get(b) ?? 0) - (width.get(a) ?? 0) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
}

/** The rows of the workloads whose pods the service selects. */
function behindOf(service: Service, pods: readonly OverviewPod[]): string[] {
  const wanted = Object.entries(service.selector);
  if (wanted.length === 0) return [];
  const found = new Set<string>();
  for (const pod of pods) {
    if (pod.done || pod.namespace !== service.namespace) continue;
    if (wanted.every(([key, value]) => pod.labels[key] === value)) {
      found.add(rowId(pod.namespace, pod.workload));
    }
  }
  return [...found].sort();
}

export interface Wanted {
  namespace: string; // "" for all
  text: string;
  focus: string; // a card's id: only it and what it speaks with
  quiet: boolean; // whether links without traffic now are shown
}

/** The part of the graph that is asked for. */
export function narrowed(graph: Graph, wanted: Wanted): Graph {
  let links = wanted.quiet ? graph.links : graph.links.filter((link) => isMoving(link.flow));
  const cardOf = new Map(graph.cards.flatMap((c) => c.rows.map((row) => [row.id, c] as const)));
  const ends = (link: Link) => [cardOf.get(link.from)?.id ?? "", cardOf.get(link.to)?.id ?? ""];
  const text = wanted.text.trim().toLowerCase();
  const hit = (c: Card) =>
    (!wanted.namespace || c.namespace === wanted.namespace) &&
    (!text ||
      `${c.name} ${c.namespace} ${c.rows.map((r) => r.workload).join(" ")}`
        .toLowerCase()
        .includes(text)) &&
    (!wanted.focus || c.id === wanted.focus);
  const chosen = new Set(graph.cards.filter(hit).map((c) => c.id));
  if (!wanted.namespace && !text && !wanted.focus) return { cards: graph.cards, links };
  links = links.filter((link) => ends(link).some((id) => chosen.has(id)));
  const shown = new Set([...chosen, ...links.flatMap(ends)]);
  return { cards: graph.cards.filter((c) => shown.has(c.id)), links };
}
