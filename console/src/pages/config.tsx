// All objects with how they stand: problems, and whether the proxies run them.
import { ask } from "../data/ask";
import { proxies, status } from "../data/live";
import type { Problem, ProxyRow } from "../data/types";
import { bytes, plural, span } from "../data/words";
import { useAsked } from "../parts/asked";
import {
  Choice,
  Empty,
  Panel,
  Pill,
  ProxyLink,
  Since,
  Table,
  Text,
  type Tone,
  Wrong,
} from "../parts/basics";
import { link, place, reword } from "../router";

export interface ObjectRow {
  group: string;
  kind: string;
  namespace: string;
  name: string;
  created: string | null;
  place: string;
  programmed: { status: string; reason: string; message: string; since: string | null } | null;
}

export const objectLink = (row: { group: string; kind: string; namespace: string; name: string }) =>
  link(["config", row.group || "-", row.kind, row.namespace || "-", row.name]);

/** How an object stands, in one word and a colour. */
export function standing(
  row: ObjectRow,
  problems: readonly Problem[],
): { tone: Tone; word: string } {
  if (row.programmed?.status === "False") return { tone: "bad", word: "refused" };
  if (problems.some((p) => p.level === "Error"))
    return { tone: "bad", word: plural(problems.length, "problem") };
  if (problems.length) return { tone: "warn", word: plural(problems.length, "problem") };
  if (row.programmed?.status === "Unknown") {
    const unused = row.programmed.message.startsWith("no proxy");
    return unused ? { tone: "idle", word: "unused" } : { tone: "warn", word: "pending" };
  }
  return row.programmed ? { tone: "good", word: "programmed" } : { tone: "idle", word: "stored" };
}

const isSetting = (row: ObjectRow): boolean => /istio\.io$/.test(row.group);

export function ConfigPage() {
  const words = place.value.words;
  const kind = words.get("kind") ?? "istio";
  const ns = words.get("ns") ?? "";
  const find = (words.get("find") ?? "").toLowerCase();
  const { data, wrong } = useAsked(
    "objects",
    (signal) => ask<{ objects: ObjectRow[]; left: number }>("/lateen/v1/objects", signal),
    4000,
  );
  const all = data?.objects ?? [];
  const problems = problemsBy(status.value?.problems ?? []);
  const rows = all.filter(
    (row) =>
      (find || kind === "all" || (kind === "istio" ? isSetting(row) : row.kind === kind)) &&
      (!ns || row.namespace === ns) &&
      `${row.kind} ${row.namespace}/${row.name}`.toLowerCase().includes(find),
  );
  const kinds = [...new Set(all.map((row) => row.kind))].sort();
  const names = [...new Set(all.map((row) => row.namespace))].filter(Boolean).sort();
  return (
    <>
      <div class="filters">
        <h1>Configuration</h1>
        <span class="grow" />
        <Choice
          label="Kind"
          value={kind}
          options={[
            ["istio", "Istio's settings"],
            ["all", "all kinds"],
            ...kinds.map((k) => [k, k] as const),
          ]}
          change={(value) => reword({ kind: value })}
        />
        <Choice
          label="Namespace"
          value={ns}
          options={[["", "all namespaces"], ...names.map((n) => [n, n] as const)]}
          change={(value) => reword({ ns: value })}
        />
        <Text
          label="Filter by name"
          value={words.get("find") ?? ""}
          change={(value) => reword({ find: value })}
          find
        />
      </div>
      <Wrong words={data ? "" : wrong} />
      <Panel title="Objects" note={data ? rows.length : "…"} flush>
        <Table
          label="Objects"
          rows={rows}
          keyOf={(row) => `${row.group}/${row.kind}/${row.namespace}/${row.name}`}
          empty={data ? "No object goes by that." : "Looking …"}
          columns={[
            {
              name: "Object",
              cell: (row) => (
                <>
                  <a href={objectLink(row)}>
                    {row.namespace && <span class="soft">{row.namespace}/</span>}
                    {row.name}
                  </a>
                  <div>
                    <code class="place">{row.place}</code>
                  </div>
                </>
              ),
            },
            { name: "Kind", cell: (row) => row.kind },
            {
              name: "Stands",
              cell: (row) => {
                const { tone, word } = standing(row, problems(row));
                return <Pill tone={tone}>{word}</Pill>;
              },
            },
            { name: "Proxies", cell: (row) => row.programmed?.message ?? "", wide: true },
            {
              name: "Since",
              number: true,
              cell: (row) => (
                <Since at={Date.parse(row.programmed?.since ?? row.created ?? "") / 1000 || null} />
              ),
            },
          ]}
        />
      </Panel>
      <Proxies rows={proxies.value} />
    </>
  );
}

/** The problems of an object, by what names it. */
export function problemsBy(problems: readonly Problem[]) {
  const found = new Map<string, Problem[]>();
  for (const problem of problems) {
    const key = `${problem.kind}/${problem.namespace}/${problem.name}`;
    found.set(key, [...(found.get(key) ?? []), problem]);
  }
  return (row: { kind: string; namespace: string; name: string }): Problem[] =>
    found.get(`${row.kind}/${row.namespace}/${row.name}`) ?? [];
}

function Proxies({ rows }: { rows: readonly ProxyRow[] }) {
  if (rows.length === 0) return <Empty>No proxy runs.</Empty>;
  const now = Date.now() / 1000;
  const newest = (row: ProxyRow) => Math.max(...Object.values(row.ackedAt).map((at) => at ?? 0));
  return (
    <Panel title="Proxies" note={plural(rows.length, "proxy", "proxies")} flush>
      <Table
        label="Proxies"
        rows={rows}
        keyOf={(row) => row.id}
        empty="None."
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
            name: "State",
            cell: (row) => (
              <>
                <Pill
                  tone={
                    row.state === "programmed" ? "good" : row.state === "refused" ? "bad" : "warn"
                  }
                >
                  {row.state}
                </Pill>
                {row.refused.map((each) => (
                  <div key={`${each.type}${each.names}`} class="why">
                    {`${each.type} ${each.names}: ${each.message}`}
                  </div>
                ))}
              </>
            ),
          },
          {
            name: "Acknowledged",
            number: true,
            cell: (row) => (newest(row) ? `${span(now - newest(row))} ago` : "–"),
          },
          {
            name: "Resources",
            wide: true,
            cell: (row) =>
              Object.entries(row.types)
                .map(([type, count]) => `${type} ${count}`)
                .join(" · "),
          },
          { name: "Size", number: true, wide: true, cell: (row) => bytes(row.bytes) },
          {
            name: "Certificate",
            number: true,
            wide: true,
            cell: (row) => span(row.certificateSeconds),
          },
        ]}
      />
    </Panel>
  );
}
