// One object: its YAML with problems in the margin, and what each proxy says to it.
import { ask } from "../data/ask";
import { proxies, status } from "../data/live";
import type { Problem } from "../data/types";
import { plural, span } from "../data/words";
import { type Line, lineFor, linesOf, wordsOf } from "../data/yaml";
import { useAsked } from "../parts/asked";
import { Empty, Panel, Pill, ProxyLink, Since, Table } from "../parts/basics";
import { place } from "../router";
import { type ObjectRow, problemsBy, standing } from "./config";
import { EventsPanel } from "./events";
import { ProblemLine } from "./overview";

interface Whole {
  object: unknown;
  row: ObjectRow;
  places: { file: string; lines: Record<string, number> };
  proxies: { namespace: string; pod: string; acknowledged: boolean }[];
}

interface ObjectProps {
  group: string;
  kind: string;
  namespace: string;
  name: string;
}

export function ObjectPage({ group, kind, namespace, name }: ObjectProps) {
  const path = `/lateen/v1/objects/${[group, kind, namespace, name].map(encodeURIComponent).join("/")}`;
  const { data, wrong } = useAsked(path, (signal) => ask<Whole>(path, signal), 4000);
  if (!data) return <Empty>{wrong || "Looking …"}</Empty>;
  const problems = problemsBy(status.value?.problems ?? [])(data.row);
  const { tone, word } = standing(data.row, problems);
  const said = data.row.programmed;
  const now = Date.now() / 1000;
  return (
    <>
      <div class="filters">
        <div>
          <span class="soft">{data.row.namespace ? `${kind} in ${data.row.namespace}` : kind}</span>
          <h1>{name}</h1>
        </div>
        <Pill tone={tone}>{word}</Pill>
        {said && (
          <span class="soft">
            {said.message} · for <Since at={Date.parse(said.since ?? "") / 1000 || null} />
          </span>
        )}
        <span class="grow" />
        <code class="place">{data.row.place}</code>
      </div>
      {said?.status === "False" && (
        <p class="banner bad" role="status">
          {`Set aside; what was served before is served on. Envoy says: ${said.message}`}
        </p>
      )}
      {problems.length > 0 && (
        <Panel title="Problems" note={plural(problems.length, "problem")} flush>
          <ul class="problems">
            {problems.map((problem) => (
              <ProblemLine
                key={`${problem.code}${problem.field}${problem.message}`}
                problem={problem}
              />
            ))}
          </ul>
        </Panel>
      )}
      <div class="columns wide-first">
        <Panel title="YAML" flush note={data.places.file}>
          <Yaml whole={data} problems={problems} field={place.value.words.get("field") ?? ""} />
        </Panel>
        <Panel
          title="Proxies that run it"
          note={plural(data.proxies.length, "proxy", "proxies")}
          flush
        >
          <Table
            label="Proxies that run it"
            rows={data.proxies}
            keyOf={(row) => `${row.namespace}/${row.pod}`}
            empty="None: no proxy has a use for it."
            columns={[
              {
                name: "Proxy",
                cell: (row) => (
                  <>
                    <ProxyLink namespace={row.namespace} pod={row.pod} />{" "}
                    <span class="soft">{row.namespace}</span>
                  </>
                ),
              },
              {
                name: "Last answer",
                number: true,
                cell: (row) => `${span(now - answered(row))} ago`,
              },
              {
                name: "Says",
                cell: (row) => (
                  <Pill tone={row.acknowledged ? "good" : "warn"}>
                    {row.acknowledged ? "acknowledged" : "waiting"}
                  </Pill>
                ),
              },
            ]}
          />
        </Panel>
      </div>
      <EventsPanel namespace={data.row.namespace} name={name} kind={kind} />
    </>
  );
}

/** When a proxy last acknowledged something; unix seconds. */
function answered({ namespace, pod }: { namespace: string; pod: string }): number {
  const row = proxies.value.find((each) => each.namespace === namespace && each.pod === pod);
  return Math.max(...Object.values(row?.ackedAt ?? {}).map((at) => at ?? 0), 0);
}

interface YamlProps {
  whole: Whole;
  problems: readonly Problem[];
  field: string; // shown with a mark, and where the page goes to
}

function Yaml({ whole, problems, field }: YamlProps) {
  const lines = linesOf(whole.object);
  const marked = new Map<number, Problem[]>();
  for (const problem of problems) {
    const at = lineFor(lines, problem.field);
    marked.set(at, [...(marked.get(at) ?? []), problem]);
  }
  const wanted = field ? lineFor(lines, field) : -1;
  return (
    <div class="code" role="group" aria-label="Lines" tabIndex={0}>
      <ol>
        {lines.map((line, i) => (
          <CodeLine
            key={i}
            line={line}
            written={whole.places.lines[line.field]}
            problems={marked.get(i) ?? []}
            wanted={i === wanted}
          />
        ))}
      </ol>
    </div>
  );
}

interface CodeLineProps {
  line: Line;
  written: number | undefined; // the line of the file
  problems: readonly Problem[];
  wanted: boolean;
}

function CodeLine({ line, written, problems, wanted }: CodeLineProps) {
  const worst = problems.some((p) => p.level === "Error") ? "bad" : problems.length ? "warn" : "";
  return (
    <li
      class={`${worst}${wanted ? " wanted" : ""}`}
      ref={(element) => {
        if (wanted) element?.scrollIntoView({ block: "center" });
      }}
    >
      <span class="from" title={written ? `line ${written} of the file` : undefined}>
        {written ?? ""}
      </span>
      <code>
        {wordsOf(line.text).map(([kind, text], i) => (
          <span key={i} class={kind}>
            {text}
          </span>
        ))}
      </code>
      {problems.map((problem) => (
        <p key={problem.message} class="remark">
          <b>{problem.code}</b> {problem.message}
          {problem.fix && ` (${problem.fix})`}
        </p>
      ))}
    </li>
  );
}
