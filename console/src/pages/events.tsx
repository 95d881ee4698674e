// Kubernetes' events about a workload and its pods.
import { ask, query } from "../data/ask";
import { useAsked } from "../parts/asked";
import { Panel, Pill, Since, Table, Wrong } from "../parts/basics";

interface Event {
  kind: string;
  name: string;
  type: string;
  reason: string;
  message: string;
  count: number;
  last: string | null;
}

interface EventsProps {
  namespace: string;
  name: string; // that the objects' names begin with
  kind?: string;
  note?: string;
}

const seconds = (stamp: string | null): number | null =>
  stamp ? Date.parse(stamp) / 1000 || null : null;

export function EventsPanel({ namespace, name, kind, note }: EventsProps) {
  const path = `/lateen/v1/object-events${query({ namespace, name, kind })}`;
  const { data, wrong } = useAsked(path, (signal) => ask<{ events: Event[] }>(path, signal), 5000);
  return (
    <Panel title="Events" flush note={note}>
      <Wrong words={data ? "" : wrong} />
      <Table
        label="Events"
        rows={(data?.events ?? []).slice(0, 40)}
        keyOf={(row) => `${row.name} ${row.reason} ${row.message}`}
        empty="None kept."
        columns={[
          {
            name: "What",
            cell: (row) => (
              <Pill tone={row.type === "Warning" ? "warn" : "idle"}>{row.reason}</Pill>
            ),
          },
          { name: "About", cell: (row) => `${row.kind} ${row.name}`, wide: true },
          { name: "Message", cell: (row) => <span class="why">{row.message}</span> },
          { name: "Times", number: true, cell: (row) => row.count, wide: true },
          { name: "Ago", number: true, cell: (row) => <Since at={seconds(row.last)} /> },
        ]}
      />
    </Panel>
  );
}
