// All services with what stands behind them, and the workloads that no service names.
import { flows, overview } from "../data/live";
import type { OverviewPod } from "../data/types";
import { plural, rate, share } from "../data/words";
import { BAD_SHARE } from "../graph/model";
import { Choice, Dot, Empty, Panel, ServiceLink, Table, Text, WorkloadLink } from "../parts/basics";
import { place, reword } from "../router";

export interface Workload {
  namespace: string;
  name: string;
  version: string;
  pods: OverviewPod[];
  ready: number;
}

/** Workloads of the pods that are not done, by namespace and name. */
export function workloadsOf(pods: readonly OverviewPod[]): Workload[] {
  const found = new Map<string, Workload>();
  for (const pod of pods) {
    if (pod.done) continue;
    const id = `${pod.namespace}/${pod.workload}`;
    const known = found.get(id) ?? {
      namespace: pod.namespace,
      name: pod.workload,
      version: pod.version,
      pods: [],
      ready: 0,
    };
    known.pods.push(pod);
    known.ready += pod.total > 0 && pod.ready >= pod.total ? 1 : 0;
    found.set(id, known);
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, workload]) => workload);
}

/** What reaches a workload now: requests a second, and the share of them that fail. */
export function arriving(namespace: string, name: string): { rate: number; errors: number } {
  const into = flows.value.filter(
    (flow) => flow.destination === name && flow.destinationNamespace === namespace,
  );
  const total = into.reduce((sum, flow) => sum + flow.rate, 0);
  const failed = into.reduce((sum, flow) => sum + flow.rate * flow.errors, 0);
  return { rate: total, errors: total ? failed / total : 0 };
}

export function ServicesPage() {
  const seen = overview.value;
  if (!seen) return <Empty>Looking at the mesh …</Empty>;
  const words = place.value.words;
  const text = (words.get("find") ?? "").toLowerCase();
  const ns = words.get("ns") ?? "";
  const wanted = (each: { namespace: string; name: string }) =>
    (!ns || each.namespace === ns) && `${each.namespace}/${each.name}`.includes(text);
  const names = [...new Set(seen.pods.concat([]).map((p) => p.namespace))].sort();
  const services = seen.services.filter(wanted);
  const workloads = workloadsOf(seen.pods).filter(wanted);
  return (
    <>
      <div class="filters">
        <h1>Services and workloads</h1>
        <span class="grow" />
        <Choice
          label="Namespace"
          value={ns}
          options={[["", "all namespaces"], ...names.map((name) => [name, name] as const)]}
          change={(value) => reword({ ns: value })}
        />
        <Text
          label="Filter by name"
          value={words.get("find") ?? ""}
          change={(find) => reword({ find })}
          find
        />
      </div>
      <Panel title="Workloads" note={workloads.length} flush>
        <WorkloadTable rows={workloads} />
      </Panel>
      <Panel title="Services" note={services.length} flush>
        <Table
          label="Services"
          rows={services}
          keyOf={(row) => `${row.namespace}/${row.name}`}
          empty="No service goes by that name."
          columns={[
            {
              name: "Service",
              cell: (row) => <ServiceLink namespace={row.namespace} name={row.name} />,
            },
            { name: "Namespace", cell: (row) => row.namespace },
            { name: "Type", cell: (row) => row.type, wide: true },
            { name: "Address", cell: (row) => <code>{row.address}</code>, wide: true },
            { name: "Ports", cell: (row) => row.ports.map((p) => p.port).join(", ") },
            { name: "Ready", number: true, cell: (row) => `${row.ready}/${row.endpoints}` },
            { name: "Routes", number: true, cell: (row) => row.routes.length || "–" },
          ]}
        />
      </Panel>
    </>
  );
}

function WorkloadTable({ rows }: { rows: readonly Workload[] }) {
  return (
    <Table
      label="Workloads"
      rows={rows}
      keyOf={(row) => `${row.namespace}/${row.name}`}
      empty="No workload goes by that name."
      columns={[
        {
          name: "Workload",
          cell: (row) => (
            <>
              <Dot
                tone={row.ready === row.pods.length ? "good" : row.ready ? "warn" : "bad"}
                label={`${row.ready} of ${plural(row.pods.length, "pod")} ready`}
              />{" "}
              <WorkloadLink namespace={row.namespace} name={row.name} />
            </>
          ),
        },
        { name: "Namespace", cell: (row) => row.namespace },
        { name: "Version", cell: (row) => row.version || "–", wide: true },
        { name: "Pods", number: true, cell: (row) => `${row.ready}/${row.pods.length}` },
        {
          name: "Requests",
          number: true,
          cell: (row) => rate(arriving(row.namespace, row.name).rate),
        },
        {
          name: "Errors",
          number: true,
          cell: (row) => {
            const { errors } = arriving(row.namespace, row.name);
            return <span class={errors >= BAD_SHARE ? "bad-text" : ""}>{share(errors)}</span>;
          },
        },
      ]}
    />
  );
}
