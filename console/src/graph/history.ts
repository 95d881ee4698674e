// What flowed when, and since when it fails, asked of the kept history.
import { instant, quoted, ranged, type Series } from "../data/promql";
import { type Flow, flowKey, hiddenOf } from "./flows";

const ENDS = [
  "source_workload",
  "source_workload_namespace",
  "destination_workload",
  "destination_workload_namespace",
  "destination_version",
  "destination_service",
].join(", ");
const OVER = "[1m]";
const bySource = `reporter="source"`;
const byTarget = `reporter="destination"`;
const MUTUAL = `connection_security_policy="mutual_tls"`;
const FAILED = `response_code=~"5.."`;
const QUERIES = {
  rate: `sum by (${ENDS}) (rate(istio_requests_total{${bySource}}${OVER}))`,
  errors: `sum by (${ENDS}) (rate(istio_requests_total{${bySource}, ${FAILED}}${OVER}))`,
  tcp: `sum by (${ENDS}) (rate(istio_tcp_connections_opened_total{${bySource}}${OVER}))`,
  p95: `histogram_quantile(0.95, sum by (le, ${ENDS}) (rate(istio_request_duration_milliseconds_bucket{${bySource}}${OVER})))`,
  tried: `sum by (${ENDS}) (rate(istio_requests_total{${byTarget}}${OVER}))`,
  triedBad: `sum by (${ENDS}) (rate(istio_requests_total{${byTarget}, ${FAILED}}${OVER}))`,
  locked: `sum by (${ENDS}) (rate(istio_requests_total{${byTarget}, ${MUTUAL}}${OVER}))`,
  lockedTcp: `sum by (${ENDS}) (rate(istio_tcp_connections_opened_total{${byTarget}, ${MUTUAL}}${OVER}))`,
} as const;
type Asked = Record<keyof typeof QUERIES, Series[]>;
export const NOTHING: Asked = {
  rate: [],
  errors: [],
  tcp: [],
  p95: [],
  tried: [],
  triedBad: [],
  locked: [],
  lockedTcp: [],
};
const UNKNOWN = "unknown";
const ENOUGH = 0.98; // of the connections over mTLS: both sides are not read in the same moment

/** Flows out of the answers to all questions; without those that carried nothing. */
export const flowsOf = (asked: Asked): Flow[] =>
  everyFlow(asked).filter((flow) => flow.rate > 0 || flow.connections > 0);

/** What is asked by Service is put together by workload, as the live counters are. */
function everyFlow(asked: Asked): Flow[] {
  const found = new Map<string, Flow>();
  const sums = (all: readonly Series[]) => {
    const made = new Map<Flow, number>();
    for (const series of all) {
      const fresh = emptyFlow(series.labels);
      const flow = found.get(flowKey(fresh)) ?? fresh;
      found.set(flowKey(flow), flow);
      made.set(flow, (made.get(flow) ?? 0) + (series.points.at(-1)?.[1] ?? 0));
    }
    return made;
  };
  for (const [flow, rate] of sums(asked.rate)) flow.rate = rate;
  for (const [flow, bad] of sums(asked.errors)) flow.errors = flow.rate > 0 ? bad / flow.rate : 0;
  for (const [flow, rate] of sums(asked.tcp)) flow.connections = rate;
  const failed = sums(asked.triedBad);
  const mutual = sums(asked.locked);
  for (const [flow, tried] of sums(asked.tried)) {
    if (flow.rate > 0) flow.hidden = hiddenOf(tried, failed.get(flow) ?? 0, flow.errors);
    flow.locked = tried > 0 && (mutual.get(flow) ?? 0) >= ENOUGH * tried;
  }
  for (const [flow, locked] of sums(asked.lockedTcp)) {
    flow.locked = (flow.locked || flow.rate === 0) && locked >= ENOUGH * flow.connections;
  }
  for (const series of asked.p95) {
    const flow = found.get(flowKey(emptyFlow(series.labels))) ?? emptyFlow(series.labels);
    const value = series.points.at(-1)?.[1] ?? Number.NaN;
    if (Number.isFinite(value)) flow.p95 = Math.max(flow.p95 ?? 0, value);
    found.set(flowKey(flow), flow);
  }
  return [...found.values()];
}

function emptyFlow(labels: Record<string, string>): Flow {
  const of = (name: string) => labels[name] ?? UNKNOWN;
  const reached = of("destination_workload") !== UNKNOWN;
  const version = of("destination_version");
  return {
    source: of("source_workload"),
    sourceNamespace: of("source_workload_namespace"),
    destination: of(reached ? "destination_workload" : "destination_service"),
    destinationNamespace: of("destination_workload_namespace"),
    version: version === UNKNOWN ? "" : version,
    rate: 0,
    errors: 0,
    hidden: 0,
    p95: null,
    connections: 0,
    locked: false,
    failingSince: null,
  };
}

/** What flowed at a moment (unix seconds), as the kept history has it. */
export async function flowsAt(at: number, signal: AbortSignal): Promise<Flow[]> {
  const names = Object.keys(QUERIES) as (keyof typeof QUERIES)[];
  const answers = await Promise.all(names.map((name) => instant(QUERIES[name], at, signal)));
  return flowsOf(Object.fromEntries(names.map((name, i) => [name, answers[i]])) as Asked);
}

/** The 95th percentile of each link's answers in the last minute, in milliseconds, by the flow's key. */
export async function percentiles(): Promise<Map<string, number>> {
  const all = everyFlow({ ...NOTHING, p95: await instant(QUERIES.p95) });
  return new Map(all.flatMap((flow) => (flow.p95 === null ? [] : [[flowKey(flow), flow.p95]])));
}

const BACK = 6 * 3600; // seconds that are looked back
const STEP = 30;

/** Since when a link fails (for the caller, or behind its retries) without a break, in unix seconds; null if the history knows nothing of it. */
export async function failingFrom(flow: Flow, now: number): Promise<number | null> {
  const reached = !flow.destination.includes(".svc.");
  const ends = [
    flow.errors > 0 ? bySource : byTarget,
    `source_workload=${quoted(flow.source)}`,
    `source_workload_namespace=${quoted(flow.sourceNamespace)}`,
    `${reached ? "destination_workload" : "destination_service"}=${quoted(flow.destination)}`,
    FAILED,
  ];
  const question = `sum(rate(istio_requests_total{${ends.join(", ")}}${OVER}))`;
  const [series] = await ranged(question, { start: now - BACK, end: now, step: STEP });
  return beginning(series?.points ?? []);
}

/** Where the last unbroken run of failures began: the last one, if any, reaches the end. */
export function beginning(points: readonly [at: number, value: number][]): number | null {
  let began: number | null = null;
  for (const [i, [at, value]] of points.entries()) {
    const before = points[i - 1];
    const broken = before !== undefined && at - before[0] > 2 * STEP;
    if (!(value > 0)) began = null;
    else if (began === null || broken) began = at;
  }
  return began;
}
