// Logs: what was written, narrowed down; live as it is written.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ask, query } from "../data/ask";
import { overview } from "../data/live";
import { useAsked } from "../parts/asked";
import { Choice, Empty, Panel, Switch, Text, Wrong } from "../parts/basics";
import { link, place, reword } from "../router";

export interface LogLine {
  time: string | number;
  pod: string;
  namespace: string;
  container: string;
  stream: string;
  level: string;
  trace: string;
  text: string;
}

interface Page {
  lines: LogLine[];
  more: boolean;
}

const MOST = 1000; // lines kept on the page while it is live
const LEVELS = ["error", "warn", "info", "debug"];

/** A moment of a log line as `14:03:09.120`. */
export function clock(time: string | number): string {
  const at = new Date(typeof time === "number" ? time * 1000 : time);
  return Number.isNaN(at.getTime())
    ? String(time)
    : at.toLocaleTimeString([], {
        hourCycle: "h23",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
        fractionalSecondDigits: 3,
      });
}

export function LogsPage() {
  const words = place.value.words;
  const word = (name: string) => words.get(name) ?? "";
  const live = word("live") !== "no";
  const wanted = query({
    namespace: word("ns"),
    pod: podsLike(word("ns"), word("pod")),
    container: word("container"),
    level: word("level"),
    text: word("text"),
    trace: word("trace"),
  });
  const names = [...new Set((overview.value?.pods ?? []).map((pod) => pod.namespace))].sort();
  return (
    <>
      <div class="filters">
        <h1>Logs</h1>
        <span class="grow" />
        <Choice
          label="Namespace"
          value={word("ns")}
          options={[["", "all namespaces"], ...names.map((name) => [name, name] as const)]}
          change={(ns) => reword({ ns })}
        />
        <Text label="Pod" hint="pod" value={word("pod")} change={(pod) => reword({ pod })} />
        <Text
          label="Container"
          hint="container"
          value={word("container")}
          change={(container) => reword({ container })}
        />
        <Choice
          label="Level"
          value={word("level")}
          options={[["", "all levels"], ...LEVELS.map((level) => [level, level] as const)]}
          change={(level) => reword({ level })}
        />
        <Text
          label="Text"
          hint="text"
          value={word("text")}
          change={(text) => reword({ text })}
          find
        />
        <Text
          label="Trace"
          hint="trace"
          value={word("trace")}
          change={(trace) => reword({ trace })}
        />
        <Switch label="Live" on={live} change={(on) => reword({ live: on ? "" : "no" })} />
      </div>
      <Reader key={`${wanted} ${live}`} wanted={wanted} live={live} />
    </>
  );
}

/** The newest lines, older ones on demand, and what is written from now on. */
function Reader({ wanted, live }: { wanted: string; live: boolean }) {
  const lines = useSignal<LogLine[]>([]);
  const more = useSignal(false);
  const wrong = useSignal("");
  const first = useSignal(true);
  const load = async (before?: string | number) => {
    try {
      const join = wanted ? "&" : "?";
      const words = `${wanted}${join}limit=200${before === undefined ? "" : `&before=${encodeURIComponent(before)}`}`;
      const page = await ask<Page>(`/logs/search${words}`);
      const older = page.lines.reverse(); // they come newest first
      lines.value = before === undefined ? older : [...older, ...lines.value];
      more.value = page.more;
      wrong.value = "";
    } catch (fault) {
      wrong.value = fault instanceof Error ? fault.message : String(fault);
    }
    first.value = false;
  };
  useEffect(() => {
    void load();
    if (!live) return;
    const tail = new EventSource(`/logs/tail${wanted}`);
    const heard = (event: MessageEvent<string>) => {
      lines.value = [...lines.value, JSON.parse(event.data) as LogLine].slice(-MOST);
    };
    tail.onmessage = heard;
    return () => tail.close();
  }, []);
  return (
    <section class="panel flush" aria-label="Lines">
      <Wrong words={wrong.value} />
      {more.value && (
        <p class="older">
          <button type="button" onClick={() => void load(lines.value[0]?.time)}>
            Older lines
          </button>
        </p>
      )}
      {lines.value.length === 0 && !wrong.value && (
        <Empty>{first.value ? "Looking …" : "No line like that is kept."}</Empty>
      )}
      <Lines lines={lines.value} follow={live} />
    </section>
  );
}

function Lines({ lines, follow }: { lines: readonly LogLine[]; follow: boolean }) {
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    const element = list.current;
    if (element && follow && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [lines]);
  return (
    <ol
      ref={list}
      class="lines"
      aria-label="Log lines"
      tabIndex={0}
      onScroll={({ currentTarget: e }) => {
        atEnd.current = e.scrollHeight - e.scrollTop - e.clientHeight < 30;
      }}
    >
      {lines.map((line, i) => (
        <li key={i} class={line.level.toLowerCase()}>
          <time>{clock(line.time)}</time>
          <a
            class="pod"
            href={link(["logs"], { ns: line.namespace, pod: line.pod })}
            title={`${line.namespace}/${line.pod} ${line.container}`}
          >
            {line.pod}
            {line.container === "istio-proxy" && <span class="soft"> proxy</span>}
          </a>
          <span class="text">
            {line.text}
            {line.trace && (
              <a class="trace" href={link(["trace", line.trace])}>
                trace
              </a>
            )}
          </span>
        </li>
      ))}
    </ol>
  );
}

/** The pods whose names begin so; the word itself, if none is there any more. */
function podsLike(namespace: string, start: string): string[] {
  if (!start) return [];
  const found = (overview.value?.pods ?? []).filter(
    (pod) => (!namespace || pod.namespace === namespace) && pod.name.startsWith(start),
  );
  return found.length ? found.map((pod) => pod.name) : [start];
}

interface LogsProps {
  namespace?: string;
  pod?: string; // how their names begin
  trace?: string;
  title?: string;
}

/** The last lines of a workload or of a trace. */
export function LogsPanel({ namespace, pod, trace, title }: LogsProps) {
  const pods = podsLike(namespace ?? "", pod ?? "");
  const words = query({ namespace, pod: pods, trace, limit: 30 });
  const { data, wrong } = useAsked(
    words,
    async (signal) => (await ask<Page>(`/logs/search${words}`, signal)).lines.reverse(),
    4000,
  );
  return (
    <Panel
      title={title ?? "Recent logs"}
      flush
      tools={<a href={link(["logs"], { ns: namespace, pod, trace })}>all of them</a>}
    >
      <Wrong words={wrong} />
      {data?.length === 0 && <Empty>Nothing was written.</Empty>}
      {data && data.length > 0 && <Lines lines={data} follow />}
    </Panel>
  );
}
