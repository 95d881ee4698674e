// What flowed when, asked of the kept history.
import { instant, type Series } from "../data/promql";
import { type Flow, flowKey } from "./flows";

const ENDS =
  "source_workload, source_workload_namespace, destination_workload, destination_workload_namespace, destination_version";
const OVER = "[1m]";
const bySource = `reporter="source"`;
const QUERIES = {
  rate: `sum by (${ENDS}) (rate(istio_requests_total{${bySource}}${OVER}))`,
  errors: `sum by (${ENDS}) (rate(istio_requests_total{${bySource}, response_code=~"5.."}${OVER}))`,
  tcp: `sum by (${ENDS}) (rate(istio_tcp_connections_opened_total{${bySource}}${OVER}))`,
  p95: `histogram_quantile(0.95, sum by (le, ${ENDS}) (rate(istio_request_duration_milliseconds_bucket{${bySource}}${OVER})))`,
  locked: `sum by (${ENDS}) (rate(istio_requests_total{reporter="destination", connection_security_policy="mutual_tls"}${OVER}))`,
} as const;
type Asked = Record<keyof typeof QUERIES, Series[]>;

/** Flows out of the answers to the five questions; without those that carried nothing. */
export const flowsOf = (asked: Asked): Flow[] =>
  everyFlow(asked).filter((flow) => flow.rate > 0 || flow.connections > 0);

function everyFlow(asked: Asked): Flow[] {
  const found = new Map<string, Flow>();
  const of = ({ labels }: Series): Flow => {
    const version = labels.destination_version ?? "";
    const fresh: Flow = {
      source: labels.source_workload ?? "unknown",
      sourceNamespace: labels.source_workload_namespace ?? "unknown",
      destination: labels.destination_workload ?? "unknown",
      destinationNamespace: labels.destination_workload_namespace ?? "unknown",
      version: version === "unknown" ? "" : version,
      rate: 0,
      errors: 0,
      p95: null,
      connections: 0,
      locked: false,
      failingSince: null,
    };
    const key = flowKey(fresh);
    const known = found.get(key) ?? fresh;
    found.set(key, known);
    return known;
  };
  const value = (series: Series) => series.points.at(-1)?.[1] ?? 0;
  for (const series of asked.rate) of(series).rate = value(series);
  for (const series of asked.errors) {
    const flow = of(series);
    flow.errors = flow.rate > 0 ? value(series) / flow.rate : 0;
  }
  for (const series of asked.tcp) of(series).connections = value(series);
  for (const series of asked.p95) {
    const number = value(series);
    of(series).p95 = Number.isFinite(number) ? number : null;
  }
  for (const series of asked.locked) {
    const flow = found.get(flowKey(of(series)));
    if (flow) flow.locked = value(series) > 0 && value(series) >= 0.98 * flow.rate;
  }
  return [...found.values()];
}

/** What flowed at a moment (unix seconds), as the kept history has it. */
export async function flowsAt(at: number, signal: AbortSignal): Promise<Flow[]> {
  const names = Object.keys(QUERIES) as (keyof typeof QUERIES)[];
  const answers = await Promise.all(names.map((name) => instant(QUERIES[name], at, signal)));
  return flowsOf(Object.fromEntries(names.map((name, i) => [name, answers[i]])) as Asked);
}

/** The 95th percentile of each link's answers in the last minute, in milliseconds, by the flow's key. */
export async function percentiles(): Promise<Map<string, number>> {
  const asked = { rate: [], errors: [], tcp: [], p95: await instant(QUERIES.p95), locked: [] };
  const all = everyFlow(asked);
  return new Map(all.flatMap((flow) => (flow.p95 === null ? [] : [[flowKey(flow), flow.p95]])));
}
