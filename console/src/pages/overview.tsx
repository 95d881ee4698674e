// The first page: what is unhealthy and since when, then how much flows.
import { certificates, flows, measured, overview, proxies, status } from "../data/live";
import { type Trouble, troublesOf } from "../data/troubles";
import type { Problem } from "../data/types";
import { plural, rate, share, span } from "../data/words";
import { isMoving } from "../graph/model";
import { Empty, Panel, Pill, Since, Table, type Tone, Written } from "../parts/basics";
import { link } from "../router";

const TONES: Record<Problem["level"], Tone> = { Error: "bad", Warning: "warn", Info: "note" };

export function OverviewPage() {
  const now = status.value;
  const seen = overview.value;
  if (!now || !seen || !measured.value) return <Empty>Looking at the mesh …</Empty>;
  const troubles = troublesOf(
    now,
    seen,
    proxies.value,
    certificates.value,
    flows.value,
    Date.now() / 1000,
  );
  return (
    <>
      <h1 class="hidden">Overview</h1>
      <Tiles troubles={troubles} />
      <Panel
        title="Unhealthy"
        flush
        note={troubles.length ? plural(troubles.length, "thing") : "nothing"}
      >
        <Troubles rows={troubles} />
      </Panel>
      <div class="columns">
        <Problems rows={now.problems} />
        <Busiest />
      </div>
    </>
  );
}

function Tiles({ troubles }: { troubles: readonly Trouble[] }) {
  const pods = (overview.value?.pods ?? []).filter((pod) => !pod.done);
  const ready = pods.filter((pod) => pod.total > 0 && pod.ready >= pod.total).length;
  const programmed = proxies.value.filter((proxy) => proxy.state === "programmed").length;
  const moving = flows.value.reduce((sum, flow) => sum + flow.rate, 0);
  const failing = flows.value.reduce((sum, flow) => sum + flow.rate * flow.errors, 0);
  const live = flows.value.filter(isMoving);
  const locked = live.filter((flow) => flow.locked).length;
  const soonest = Math.min(
    ...proxies.value.flatMap((p) => (p.certificateSeconds > 0 ? [p.certificateSeconds] : [])),
  );
  const errors = moving ? failing / moving : 0;
  return (
    <ul class="tiles">
      <Tile
        name="Health"
        value={troubles.length === 0 ? "All well" : plural(troubles.length, "trouble")}
        tone={troubles[0]?.tone ?? "good"}
        note={status.value?.phase ?? ""}
        to={link([])}
      />
      <Tile
        name="Pods ready"
        value={`${ready} of ${pods.length}`}
        tone={ready === pods.length ? "good" : "warn"}
        note={plural(seen("Service"), "service")}
        to={link(["services"])}
      />
      <Tile
        name="Proxies programmed"
        value={`${programmed} of ${proxies.value.length}`}
        tone={programmed === proxies.value.length ? "good" : "warn"}
        note={Number.isFinite(soonest) ? `next certificate: ${span(soonest)}` : ""}
        to={link(["config"])}
      />
      <Tile
        name="Requests"
        value={rate(moving)}
        tone={errors >= 0.05 ? "bad" : errors > 0 ? "warn" : "good"}
        note={`${share(errors)} errors`}
        to={link(["graph"])}
      />
      <Tile
        name="Mutual TLS"
        value={live.length ? `${locked} of ${live.length}` : "–"}
        tone="note"
        note="of the links in use"
        to={link(["graph"])}
      />
    </ul>
  );
}

const seen = (kind: string): number => overview.value?.counts[kind] ?? 0;

interface TileProps {
  name: string;
  value: string;
  note: string;
  tone: Tone;
  to: string;
}

const Tile = ({ name, value, note, tone, to }: TileProps) => (
  <li>
    <a class={`tile ${tone}`} href={to}>
      <span class="name">{name}</span>
      <span class="value">{value}</span>
      <span class="note">{note}</span>
    </a>
  </li>
);

function Troubles({ rows }: { rows: readonly Trouble[] }) {
  return (
    <Table
      label="What is unhealthy"
      rows={rows}
      keyOf={(row) => `${row.what} ${row.why}`}
      empty="Every pod is ready, every proxy has acknowledged its configuration, no certificate is near its end."
      columns={[
        {
          name: "What",
          cell: (row) => (
            <>
              <Pill tone={row.tone}>{row.sort}</Pill> <a href={row.to}>{row.what}</a>
            </>
          ),
        },
        { name: "Why", cell: (row) => <span class="why">{row.why}</span> },
        { name: "For", cell: (row) => <Since at={row.since} />, number: true },
      ]}
    />
  );
}

function Problems({ rows }: { rows: readonly Problem[] }) {
  return (
    <Panel title="Problems in the configuration" note={rows.length || "none"} flush>
      {rows.length === 0 ? (
        <Empty>No object has a problem.</Empty>
      ) : (
        <ul class="problems">
          {rows.slice(0, 60).map((problem) => (
            <ProblemLine
              key={`${problem.code}${problem.file}${problem.field}${problem.message}`}
              problem={problem}
            />
          ))}
        </ul>
      )}
    </Panel>
  );
}

export function ProblemLine({ problem }: { problem: Problem }) {
  const who = problem.name
    ? `${problem.kind} ${problem.namespace ? `${problem.namespace}/` : ""}${problem.name}`
    : "";
  return (
    <li>
      <div class="head">
        <Pill tone={TONES[problem.level]}>{problem.level}</Pill>
        <code>{problem.code}</code>
        {who && <a href={link(["config"], { find: problem.name })}>{who}</a>}
        <span class="grow" />
        <Since at={problem.since} />
      </div>
      <p>
        {problem.field && <code>{problem.field}</code>} {problem.message}
        {problem.fix && <span class="soft"> ({problem.fix})</span>}
      </p>
      <Written file={problem.file} line={problem.line} />
    </li>
  );
}

function Busiest() {
  const rows = [...flows.value].filter((flow) => flow.rate > 0).sort((a, b) => b.rate - a.rate);
  return (
    <Panel title="Busiest links" flush note={<a href={link(["graph"])}>graph</a>}>
      <Table
        label="Busiest links"
        rows={rows.slice(0, 12)}
        keyOf={(row) => `${row.source} ${row.destination} ${row.version}`}
        empty="No requests in the last seconds."
        columns={[
          {
            name: "From",
            cell: (row) => row.source,
          },
          {
            name: "To",
            cell: (row) => (
              <>
                {row.destination} {row.version && <span class="soft">{row.version}</span>}
              </>
            ),
          },
          { name: "Rate", number: true, cell: (row) => rate(row.rate) },
          {
            name: "Errors",
            number: true,
            cell: (row) => (
              <span class={row.errors >= 0.05 ? "bad-text" : ""}>{share(row.errors)}</span>
            ),
          },
        ]}
      />
    </Panel>
  );
}
