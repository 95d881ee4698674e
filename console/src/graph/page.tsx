// The graph: who calls whom, how much of it fails, and how it was before.
import { signal, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { flows, overview } from "../data/live";
import { plural, rate, share, time } from "../data/words";
import { Choice, Empty, Pill, Switch, Table, Text, type Tone } from "../parts/basics";
import { dark } from "../parts/theme";
import { go, link, place, reword } from "../router";
import { type Layout, laidOut, shapeOf } from "./layout";
import { type Card, type Graph, graphOf, type Link, narrowed, rowName } from "./model";
import { labelOf, paletteOf } from "./paint";
import { Past, past } from "./past";
import { type Hit, sceneOf } from "./scene";
import { Stage } from "./stage";

const MOTION = "lateen-motion";
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const moving = signal(
  localStorage.getItem(MOTION) ? localStorage.getItem(MOTION) === "on" : !still,
);

export function GraphPage() {
  const words = place.value.words;
  const asTable = words.get("as") === "table";
  const card = words.get("card") ?? "";
  const seen = overview.value;
  const whole = useComputed(() =>
    overview.value ? graphOf(overview.value, past.value?.flows ?? flows.value) : null,
  );
  if (!seen || !whole.value) return <Empty>Looking at the mesh …</Empty>;
  const graph = narrowed(whole.value, {
    namespace: words.get("ns") ?? "",
    text: words.get("find") ?? "",
    focus: words.get("focus") ?? "",
    quiet: words.get("quiet") !== "no",
  });
  const chosen = graph.cards.find((each) => each.id === card);
  return (
    <div class="graph-page">
      <h1 class="hidden">Graph</h1>
      <Bar graph={whole.value} shown={graph} asTable={asTable} />
      <div class="graph-main">
        {asTable ? <LinkTable graph={graph} /> : <Picture graph={graph} card={card} />}
        {chosen && <Side card={chosen} graph={graph} />}
      </div>
      <Past />
    </div>
  );
}

function Bar({ graph, shown, asTable }: { graph: Graph; shown: Graph; asTable: boolean }) {
  const words = place.value.words;
  const names = [...new Set(graph.cards.map((card) => card.namespace))].filter(Boolean).sort();
  return (
    <div class="graph-bar" role="toolbar" aria-label="What the graph shows">
      <Choice
        label="Namespace"
        value={words.get("ns") ?? ""}
        options={[["", "all namespaces"], ...names.map((name) => [name, name] as const)]}
        change={(ns) => reword({ ns, focus: "" })}
      />
      <Text
        label="Filter by name"
        value={words.get("find") ?? ""}
        change={(find) => reword({ find })}
        find
      />
      {words.get("focus") && (
        <button type="button" onClick={() => reword({ focus: "" })}>
          Show all again
        </button>
      )}
      <Switch
        label="Quiet links"
        on={words.get("quiet") !== "no"}
        change={(on) => reword({ quiet: on ? "" : "no" })}
      />
      <Switch
        label="Motion"
        on={moving.value}
        change={(on) => {
          moving.value = on;
          localStorage.setItem(MOTION, on ? "on" : "off");
        }}
      />
      <Switch label="Table" on={asTable} change={(on) => reword({ as: on ? "table" : "" })} />
      <span class="grow" />
      <span class="soft" aria-live="polite">
        {plural(shown.cards.length, "node")}, {plural(shown.links.length, "link")}
      </span>
    </div>
  );
}

/** The layout of a graph's shape; the last one stays until the next is found. */
function useLayout(graph: Graph): { layout: Layout | null; of: string } {
  const found = useSignal<{ layout: Layout | null; of: string }>({ layout: null, of: "" });
  const shape = shapeOf(graph);
  useEffect(() => {
    let wanted = true;
    if (graph.cards.length === 0) found.value = { layout: null, of: shape };
    else {
      void laidOut(graph).then((layout) => {
        if (wanted) found.value = { layout, of: shape };
      });
    }
    return () => {
      wanted = false;
    };
  }, [shape]);
  return found.value;
}

interface Bubble {
  x: number;
  y: number;
  lines: string[];
}

function Picture({ graph, card }: { graph: Graph; card: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const stage = useRef<Stage | null>(null);
  const bubble = useSignal<Bubble | null>(null);
  const { layout } = useLayout(graph);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const made = new Stage(element, {
      pick: (hit) => reword({ card: hit?.kind === "card" ? hit.card.id : "" }),
      open: (hit) => openHit(hit),
      point: (hit, at) => {
        bubble.value = hit?.kind === "line" ? { ...at, lines: wordsOf(hit.line.link) } : null;
      },
    });
    stage.current = made;
    const sizes = new ResizeObserver(([entry]) => {
      if (entry) made.resize(entry.contentRect.width, entry.contentRect.height);
    });
    sizes.observe(element.parentElement as Element);
    return () => {
      sizes.disconnect();
      made.close();
    };
  }, []);
  useEffect(() => {
    if (canvas.current) stage.current?.paintWith(paletteOf(canvas.current));
  }, [dark.value]);
  useEffect(() => {
    if (layout) stage.current?.show(sceneOf(graph, layout));
  }, [layout, graph]);
  useEffect(() => stage.current?.choose({ card, link: "" }), [card]);
  useEffect(() => {
    stage.current?.animate(moving.value && past.value === null);
  }, [moving.value, past.value]);
  return (
    <div class="picture">
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: it hears keys of its own */}
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={`Graph of ${plural(graph.cards.length, "node")} and ${plural(graph.links.length, "link")}. Arrow keys go from node to node, Enter opens one. The table shows the same.`}
      />
      {!layout && graph.cards.length > 0 && <p class="veil">Laying out …</p>}
      {graph.cards.length === 0 && <p class="veil">Nothing here goes by that name.</p>}
      {bubble.value && (
        <div class="bubble" ref={(element) => put(element, bubble.value)}>
          {bubble.value.lines.map((line) => (
            <div key={line}>{line}</div>
          ))}
        </div>
      )}
      <div class="zoom" role="group" aria-label="Zoom">
        <button type="button" aria-label="Nearer" onClick={() => stage.current?.zoomBy(1.3)}>
          +
        </button>
        <button type="button" aria-label="Farther" onClick={() => stage.current?.zoomBy(0.77)}>
          −
        </button>
        <button type="button" aria-label="All of it" onClick={() => stage.current?.fit()}>
          ⤢
        </button>
      </div>
      <Legend />
    </div>
  );
}

function put(element: HTMLElement | null, bubble: Bubble | null): void {
  if (!element || !bubble) return;
  element.style.left = `${bubble.x + 14}px`;
  element.style.top = `${bubble.y + 14}px`;
}

const Legend = () => (
  <ul class="legend" aria-label="Colours">
    <li class="good">healthy</li>
    <li class="warn">some errors</li>
    <li class="bad">failing</li>
    <li class="idle">quiet</li>
    <li class="lock">mutual TLS</li>
  </ul>
);

function openHit(hit: Hit): void {
  if (hit?.kind !== "card" || hit.card.kind === "outside") return;
  const { card, row } = hit;
  const first = card.rows[0];
  if (card.kind === "workload" && first) go(link(["workload", first.namespace, first.workload]));
  else if (row?.workload && card.rows.length > 1)
    go(link(["workload", row.namespace, row.workload]));
  else go(link(["service", card.namespace, card.name]));
}

function wordsOf(of: Link): string[] {
  const { flow } = of;
  return [
    `${flow.source} → ${flow.destination}${flow.version ? ` ${flow.version}` : ""}`,
    labelOf(of) || "no traffic in the last seconds",
    ...(flow.hidden > 0 ? ["tries fail; the caller sees it as time, for they are made again"] : []),
    flow.locked ? "mutual TLS" : "not known to be encrypted by the mesh",
  ];
}

const TONE: Record<string, Tone> = { good: "good", warn: "warn", bad: "bad", idle: "idle" };

function Side({ card, graph }: { card: Card; graph: Graph }) {
  const own = new Set(card.rows.map((row) => row.id));
  const into = graph.links.filter((each) => own.has(each.to));
  const out = graph.links.filter((each) => own.has(each.from));
  return (
    <aside class="side" aria-label={card.name}>
      <header>
        <h2>{card.name}</h2>
        <button type="button" class="icon" aria-label="Close" onClick={() => reword({ card: "" })}>
          ×
        </button>
      </header>
      <p class="soft">
        {card.kind === "outside" ? "not in the mesh" : `${card.kind} in ${card.namespace}`}
      </p>
      {card.kind !== "outside" && (
        <p class="acts">
          {card.kind !== "workload" && (
            <a class="button" href={link(["service", card.namespace, card.name])}>
              Open service
            </a>
          )}
          <button type="button" onClick={() => reword({ focus: card.id })}>
            Focus
          </button>
        </p>
      )}
      <ul class="rows">
        {card.rows.map((row) => (
          <li key={row.id}>
            <Pill tone={TONE[row.health] ?? "idle"}>
              {row.pods ? `${row.ready}/${row.pods}` : "–"}
            </Pill>{" "}
            {card.kind === "outside" || !row.workload ? (
              rowName(card, row)
            ) : (
              <a href={link(["workload", row.namespace, row.workload])}>{row.workload}</a>
            )}
            <span class="soft"> {rate(row.rate)}</span>
          </li>
        ))}
      </ul>
      <Ends title="Called by" links={into} name={(each) => each.flow.source} />
      <Ends
        title="Calls"
        links={out}
        name={(each) => `${each.flow.destination} ${each.flow.version}`}
      />
    </aside>
  );
}

interface EndsProps {
  title: string;
  links: readonly Link[];
  name: (link: Link) => string;
}

function Ends({ title, links, name }: EndsProps) {
  if (links.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="rows">
        {links.map((each) => (
          <li key={each.id}>
            <Pill tone={TONE[each.health] ?? "idle"}>
              {rate(each.flow.rate + each.flow.connections)}
            </Pill>{" "}
            {name(each)}
            <div class="soft">
              {share(each.flow.errors)} errors, p95 {time(each.flow.p95)}
              {each.flow.hidden > 0 ? `, ${share(each.flow.hidden)} of tries fail` : ""}
              {each.flow.locked ? ", mutual TLS" : ""}
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

function LinkTable({ graph }: { graph: Graph }) {
  return (
    <div class="panel flush">
      <Table
        label="Links of the graph"
        rows={graph.links}
        keyOf={(row) => row.id}
        empty="No links."
        most={1000}
        columns={[
          { name: "From", cell: (row) => `${row.flow.source}.${row.flow.sourceNamespace}` },
          { name: "To", cell: (row) => `${row.flow.destination}.${row.flow.destinationNamespace}` },
          { name: "Version", cell: (row) => row.flow.version, wide: true },
          {
            name: "Health",
            cell: (row) => <Pill tone={TONE[row.health] ?? "idle"}>{row.health}</Pill>,
          },
          { name: "Rate", number: true, cell: (row) => rate(row.flow.rate) },
          { name: "Errors", number: true, cell: (row) => share(row.flow.errors) },
          { name: "Retried", number: true, wide: true, cell: (row) => share(row.flow.hidden) },
          { name: "p95", number: true, cell: (row) => time(row.flow.p95) },
          { name: "TCP", number: true, wide: true, cell: (row) => rate(row.flow.connections) },
          { name: "mTLS", cell: (row) => (row.flow.locked ? "yes" : "no") },
        ]}
      />
    </div>
  );
}
