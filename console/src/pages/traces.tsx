// Traces: search, and one as a waterfall from which its logs and its route are a step away.
import { useSignal } from "@preact/signals";
import { ask, query } from "../data/ask";
import { overview } from "../data/live";
import { type Bar, codeOf, type Found, type Span, waterfall } from "../data/tracing";
import { moment, plural, time } from "../data/words";
import { useAsked } from "../parts/asked";
import { Choice, Empty, Panel, Pill, Switch, Table, Text, Wrong } from "../parts/basics";
import { link, place, reword } from "../router";
import { DeniedPanel } from "./denied";
import { LogsPanel } from "./logs";

const EVERY = 4000;

export function TracesPage() {
  const words = place.value.words;
  const word = (name: string) => words.get(name) ?? "";
  const services = useAsked(
    "services",
    (signal) => ask<string[]>("/traces/services", signal),
    20000,
  );
  const search = query({
    service: word("service"),
    operation: word("operation"),
    tag: word("tag"),
    min: word("min"),
    max: word("max"),
    error: word("error"),
    limit: 100,
  });
  return (
    <>
      <div class="filters">
        <h1>Traces</h1>
        <span class="grow" />
        <Choice
          label="Service"
          value={word("service")}
          options={[
            ["", "all services"],
            ...(services.data ?? []).map((name) => [name, name] as const),
          ]}
          change={(service) => reword({ service })}
        />
        <Text
          label="Operation"
          value={word("operation")}
          change={(operation) => reword({ operation })}
          find
        />
        <Text label="Tag" hint="tag=value" value={word("tag")} change={(tag) => reword({ tag })} />
        <Text
          label="At least, in milliseconds"
          hint="≥ ms"
          value={word("min")}
          change={(min) => reword({ min })}
        />
        <Text
          label="At most, in milliseconds"
          hint="≤ ms"
          value={word("max")}
          change={(max) => reword({ max })}
        />
        <Switch
          label="Errors only"
          on={word("error") === "true"}
          change={(on) => reword({ error: on ? "true" : "" })}
        />
      </div>
      <TracesPanel words={search} />
    </>
  );
}

// `thinned`: of a pod (NAMESPACE/NAME) with many requests, the percentage of those it begins that is traced.
type Search = { traces: Found[]; thinned: Record<string, number> };

export function TracesPanel({ words }: { words: string }) {
  const { data, wrong } = useAsked(
    words,
    (signal) => ask<Search>(`/traces/search${words}`, signal),
    EVERY,
  );
  const thinned = Object.entries(data?.thinned ?? {});
  const rows = data?.traces ?? [];
  const longest = Math.max(...rows.map((row) => row.duration), 1e-9);
  return (
    <Panel title="Recent traces" note={rows.length || ""} flush>
      <Wrong words={wrong} />
      {thinned.length > 0 && (
        <p class="soft">
          Traced just now, since there are many:{" "}
          {thinned.map(([who, share]) => `${share} % of what ${who} begins`).join(", ")}.
        </p>
      )}
      <Table
        label="Recent traces"
        rows={rows}
        keyOf={(row) => row.traceId}
        empty={data ? "No trace like that is kept." : "Looking …"}
        columns={[
          {
            name: "Trace",
            cell: (row) => (
              <>
                <a href={link(["trace", row.traceId])}>
                  {row.root.operation || row.traceId.slice(0, 16)}
                </a>{" "}
                {row.errors > 0 && <Pill tone="bad">{plural(row.errors, "error")}</Pill>}
                <div class="soft">{row.root.service}</div>
              </>
            ),
          },
          {
            name: "Took",
            cell: (row) => (
              <span class="meter">
                <meter min={0} max={longest} value={row.duration} aria-label="How long it took" />{" "}
                {time(row.duration * 1000)}
              </span>
            ),
          },
          { name: "Spans", number: true, cell: (row) => row.spans },
          { name: "Services", cell: (row) => row.services.join(", "), wide: true },
          { name: "When", number: true, cell: (row) => moment(row.start) },
        ]}
      />
    </Panel>
  );
}

interface Trace {
  traceId: string;
  spans: Span[];
}

export function TracePage({ id }: { id: string }) {
  const path = `/traces/${encodeURIComponent(id)}`;
  const { data, wrong } = useAsked(path, (signal) => ask<Trace>(path, signal));
  const chosen = useSignal("");
  if (!data) return <Empty>{wrong || "Looking …"}</Empty>;
  const bars = waterfall(data.spans);
  const [first] = bars;
  const bar =
    bars.find((each) => each.span.spanId === chosen.value) ?? bars.find((b) => b.origin) ?? first;
  const services = [...new Set(data.spans.map((span) => span.service))];
  const start = Math.min(...data.spans.map((span) => span.start));
  const end = Math.max(...data.spans.map((span) => span.start + span.duration));
  return (
    <>
      <div class="filters">
        <div>
          <span class="soft">{`Trace ${id}`}</span>
          <h1>{first?.span.operation ?? "Nothing in it"}</h1>
        </div>
        <span class="facts">
          <Pill tone={bars.some((each) => each.failed) ? "bad" : "good"}>
            {bars.some((each) => each.failed) ? "failed" : "fine"}
          </Pill>
          <span class="soft">{`${time((end - start) * 1000)}, ${plural(data.spans.length, "span")}, ${plural(services.length, "service")}, ${moment(start)}`}</span>
        </span>
      </div>
      <Panel title="Waterfall" tools={<Colours />} flush>
        <Waterfall
          bars={bars}
          whole={end - start}
          chosen={bar?.span.spanId ?? ""}
          choose={(span) => {
            chosen.value = span;
          }}
        />
      </Panel>
      {bar && <SpanPanel bar={bar} />}
      <LogsPanel trace={id} title="Logs of this trace" />
    </>
  );
}

interface WaterfallProps {
  bars: readonly Bar[];
  whole: number; // seconds
  chosen: string;
  choose: (span: string) => void;
}

function Waterfall({ bars, whole, chosen, choose }: WaterfallProps) {
  return (
    <div class="waterfall">
      <div class="scale" aria-hidden="true">
        <span />
        <span class="marks">
          {[0, 0.25, 0.5, 0.75, 1].map((part) => (
            <i key={part}>{time(part * whole * 1000)}</i>
          ))}
        </span>
        <span />
      </div>
      {bars.map(({ span, depth, left, width, failed, origin }, i) => (
        <button
          key={span.spanId}
          type="button"
          class={`span ${span.source}${failed ? " failed" : ""}${origin ? " origin" : ""}`}
          aria-pressed={span.spanId === chosen}
          onClick={() => choose(span.spanId)}
        >
          <span class="who" style={{ paddingLeft: `${Math.min(depth, 12) * 0.9}rem` }}>
            <b class={bars[i - 1]?.span.service === span.service ? "hidden" : ""}>{span.service}</b>{" "}
            <span class="soft">{span.operation}</span>
          </span>
          <span class="track">
            <i style={{ left: `${left * 100}%`, width: `${width * 100}%` }} />
          </span>
          <span class="took">
            {time(span.duration * 1000)} <b>{codeOf(span)}</b>
          </span>
        </button>
      ))}
    </div>
  );
}

const Colours = () => (
  <ul class="colours" aria-label="Colours">
    <li class="proxy">told by a proxy</li>
    <li class="app">told by the app</li>
    <li class="origin">failed here</li>
    <li class="failed">failed for that</li>
  </ul>
);

function SpanPanel({ bar: { span } }: { bar: Bar }) {
  const cluster = span.tags.upstream_cluster ?? span.tags["upstream_cluster.name"] ?? "";
  const request = span.tags["guid:x-request-id"] ?? "";
  const pod = overview.value?.pods.find(
    (each) => each.name === span.pod && each.namespace === span.namespace,
  );
  return (
    <>
      <Panel
        title={`${span.service} ${span.operation}`}
        note={`${span.source === "proxy" ? "told by the proxy" : "told by the app"}, ${span.kind}`}
        tools={
          <>
            {pod && (
              <a class="button" href={link(["workload", pod.namespace, pod.workload])}>
                Workload
              </a>
            )}
            {span.pod && cluster && (
              <a
                class="button"
                href={link(["proxy", span.namespace, span.pod], {
                  part: "routes",
                  find: cluster.replaceAll(";", ""),
                })}
              >
                Route taken
              </a>
            )}
            {span.pod && (
              <a class="button" href={link(["logs"], { ns: span.namespace, pod: span.pod })}>
                Logs of the pod
              </a>
            )}
          </>
        }
      >
        <dl class="tags">
          {Object.entries(span.tags)
            .sort()
            .map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{String(value)}</dd>
              </div>
            ))}
        </dl>
      </Panel>
      {request && <DeniedPanel id={request} title="What the proxies decided" />}
    </>
  );
}
