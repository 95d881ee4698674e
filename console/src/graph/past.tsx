// Time travel: the graph as the kept history has it.
import { effect, signal } from "@preact/signals";
import { instant, type Series } from "../data/promql";
import { moment, span } from "../data/words";
import { place, reword } from "../router";
import { type Flow, flowKey } from "./flows";

export interface Then {
  at: number; // unix seconds
  flows: Flow[];
}

export const past = signal<Then | null>(null);
const words = signal(""); // why it cannot be shown

const REACHES: readonly (readonly [number, string])[] = [
  [900, "15 min"],
  [3600, "1 h"],
  [6 * 3600, "6 h"],
];
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

/** Flows out of the answers to the five questions. */
export function flowsOf(asked: Asked): Flow[] {
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
  return [...found.values()].filter((flow) => flow.rate > 0 || flow.connections > 0);
}

async function flowsAt(at: number, signal: AbortSignal): Promise<Flow[]> {
  const names = Object.keys(QUERIES) as (keyof typeof QUERIES)[];
  const answers = await Promise.all(names.map((name) => instant(QUERIES[name], at, signal)));
  return flowsOf(Object.fromEntries(names.map((name, i) => [name, answers[i]])) as Asked);
}

let asking = new AbortController();

effect(() => {
  const at = Number(place.value.words.get("at")) || 0;
  asking.abort();
  asking = new AbortController();
  const { signal: ended } = asking;
  if (!at) {
    past.value = null;
    words.value = "";
    return;
  }
  flowsAt(at, ended).then(
    (flows) => {
      past.value = { at, flows };
      words.value = "";
    },
    (fault: unknown) => {
      if (!ended.aborted) words.value = fault instanceof Error ? fault.message : String(fault);
    },
  );
});

/** The slider under the graph. */
export function Past() {
  const asked = place.value.words;
  const reach = Number(asked.get("reach")) || 900;
  const at = Number(asked.get("at")) || 0;
  const now = Date.now() / 1000;
  const step = Math.max(5, Math.round(reach / 180));
  const back = at ? Math.min(reach, Math.round((now - at) / step) * step) : 0;
  const travel = (seconds: number) =>
    reword({ at: seconds > 0 ? String(Math.round(now - seconds)) : "" });
  return (
    <div class={`past${at ? " then" : ""}`} role="group" aria-label="Time travel">
      <button type="button" class={at ? "" : "on"} aria-pressed={!at} onClick={() => travel(0)}>
        Live
      </button>
      <input
        type="range"
        min={0}
        max={reach}
        step={step}
        value={reach - back}
        aria-label="How long ago"
        aria-valuetext={back ? `${span(back)} ago` : "now"}
        onInput={(event) => travel(reach - Number(event.currentTarget.value))}
      />
      <span class="when" aria-live="polite">
        {at ? `${moment(at)}, ${span(now - at)} ago` : "now"}
      </span>
      {REACHES.map(([seconds, text]) => (
        <button
          key={seconds}
          type="button"
          class={`small${reach === seconds ? " on" : ""}`}
          aria-pressed={reach === seconds}
          onClick={() => reword({ reach: String(seconds), at: "" })}
        >
          {text}
        </button>
      ))}
      {words.value && <span class="bad-text">{words.value}</span>}
    </div>
  );
}
