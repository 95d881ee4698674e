// What one proxy runs: listeners lead by routes to clusters, each with the line that made it.
import { ask } from "../data/ask";
import { overview, proxies } from "../data/live";
import {
  type ClusterRow,
  type ListenerRow,
  type Made,
  proxyConfig,
  type RouteRow,
} from "../data/proxyconfig";
import { plural, shortHost, span } from "../data/words";
import { useAsked } from "../parts/asked";
import { Choice, Empty, Panel, Pill, Table, Text, WorkloadLink, Wrong } from "../parts/basics";
import { Lock } from "../parts/signs";
import { link, place, reword } from "../router";

const PARTS = [
  ["routes", "Routes"],
  ["listeners", "Listeners"],
  ["clusters", "Clusters"],
] as const;

/** `outbound|80|v1|reviews.shop.svc.cluster.local` as `reviews.shop:80 v1`. */
export function clusterWords(name: string): string {
  const [direction, port, subset, host] = name.split("|");
  if (host === undefined) return name;
  const whom = host ? `${shortHost(host)}:${port}` : `this pod's port ${port}`;
  return `${direction === "inbound" ? "in: " : ""}${whom}${subset ? ` ${subset}` : ""}`;
}

export function ProxyPage({ namespace, pod }: { namespace: string; pod: string }) {
  const words = place.value.words;
  const part = words.get("part") ?? "routes";
  const find = (words.get("find") ?? "").toLowerCase();
  const path = `/lateen/v1/proxies/${encodeURIComponent(namespace)}/${encodeURIComponent(pod)}/config`;
  const { data, wrong } = useAsked(
    path,
    async (signal) => proxyConfig(await ask<{ configs: unknown[] }>(path, signal)),
    15000,
  );
  const has = (row: object) => JSON.stringify(row).toLowerCase().includes(find);
  return (
    <>
      <Head namespace={namespace} pod={pod} />
      <div class="filters">
        <nav class="tabs" aria-label="Parts of the configuration">
          {PARTS.map(([key, name]) => (
            <a
              key={key}
              href={link(["proxy", namespace, pod], { part: key, find: words.get("find") ?? "" })}
              aria-current={part === key ? "true" : undefined}
            >
              {name} {data && <span class="soft">{data[key].length}</span>}
            </a>
          ))}
        </nav>
        <span class="grow" />
        {part === "routes" && data && (
          <Choice
            label="Route table"
            value={words.get("table") ?? ""}
            options={[
              ["", "all tables"],
              ...[...new Set(data.routes.map((row) => row.table))]
                .filter(Boolean)
                .sort()
                .map((table) => [table, table] as const),
            ]}
            change={(table) => reword({ table })}
          />
        )}
        <Text
          label="Filter"
          value={words.get("find") ?? ""}
          change={(value) => reword({ find: value })}
          find
        />
      </div>
      {!data && (wrong ? <Wrong words={wrong} /> : <Empty>Asking the proxy …</Empty>)}
      {data && part === "listeners" && (
        <Listeners rows={data.listeners.filter(has)} at={[namespace, pod]} />
      )}
      {data && part === "routes" && (
        <Routes
          rows={data.routes.filter(
            (row) => (!words.get("table") || row.table === words.get("table")) && has(row),
          )}
          at={[namespace, pod]}
        />
      )}
      {data && part === "clusters" && <Clusters rows={data.clusters.filter(has)} />}
    </>
  );
}

function Head({ namespace, pod }: { namespace: string; pod: string }) {
  const row = proxies.value.find((each) => each.namespace === namespace && each.pod === pod);
  const own = overview.value?.pods.find(
    (each) => each.namespace === namespace && each.name === pod,
  );
  return (
    <>
      <div class="filters">
        <div>
          <span class="soft">
            Proxy of a pod in {namespace}
            {own && (
              <>
                {" of "}
                <WorkloadLink namespace={namespace} name={own.workload} />
              </>
            )}
          </span>
          <h1>{pod}</h1>
        </div>
        {row && (
          <Pill
            tone={row.state === "programmed" ? "good" : row.state === "refused" ? "bad" : "warn"}
          >
            {row.state}
          </Pill>
        )}
        <span class="facts">
          {row && <code>{row.identity}</code>}
          {row && <span class="soft">certificate ends in {span(row.certificateSeconds)}</span>}
          {own && <span class="soft">{own.address}</span>}
        </span>
        <span class="grow" />
        <a class="button" href={link(["logs"], { ns: namespace, pod })}>
          Logs
        </a>
      </div>
      {row?.refused.map((each) => (
        <p key={each.names} class="banner bad" role="status">
          {`It refused ${each.type} ${each.names}: ${each.message}. What it had before goes on.`}
        </p>
      ))}
    </>
  );
}

/** What made a piece: the object, its field, and the line of the file. */
function MadeBy({ made }: { made: Made }) {
  const found = /^([A-Z]\w*) (?:([^\s/]+)\/)?(\S+)(?: (\S+))?/.exec(made.origin);
  if (!found) return <span class="soft">{made.origin || "Envoy's own"}</span>;
  const [, kind = "", namespace = "", name = "", field = ""] = found;
  const words = { field };
  return (
    <>
      <a href={link(["config", groupOf(kind), kind, namespace || "-", name], words)}>
        {kind} {namespace ? `${namespace}/` : ""}
        {name}
      </a>
      <div class="soft">
        {field} {made.place && <code class="place">{made.place}</code>}
      </div>
    </>
  );
}

const NETWORKING = [
  "VirtualService",
  "DestinationRule",
  "Gateway",
  "ServiceEntry",
  "Sidecar",
  "EnvoyFilter",
  "WorkloadEntry",
];
const SECURITY = ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"];

const groupOf = (kind: string): string =>
  NETWORKING.includes(kind)
    ? "networking.istio.io"
    : SECURITY.includes(kind)
      ? "security.istio.io"
      : kind === "Telemetry"
        ? "telemetry.istio.io"
        : kind === "Ingress"
          ? "networking.k8s.io"
          : kind === "Deployment"
            ? "apps"
            : "-";

interface RowsProps<T> {
  rows: readonly T[];
  at: readonly [string, string];
}

function ToCluster({ name, at }: { name: string; at: readonly [string, string] }) {
  return (
    <a href={link(["proxy", ...at], { part: "clusters", find: name })} title={name}>
      {clusterWords(name)}
    </a>
  );
}

function Listeners({ rows, at }: RowsProps<ListenerRow>) {
  return (
    <Panel title="Listeners" note={plural(rows.length, "listener")} flush>
      <Table
        label="Listeners"
        rows={rows}
        keyOf={(row) => `${row.name} ${row.address}`}
        empty="None goes by that."
        columns={[
          {
            name: "Listener",
            cell: (row) => (
              <>
                <b>{row.name}</b>{" "}
                <div class="soft">
                  {row.address === row.name.replace("_", ":") ? "" : row.address}
                </div>
              </>
            ),
          },
          { name: "For", cell: (row) => row.direction, wide: true },
          {
            name: "Leads to",
            cell: (row) => (
              <ul class="plain">
                {row.leads.table && (
                  <li>
                    <a href={link(["proxy", ...at], { part: "routes", table: row.leads.table })}>
                      route table {row.leads.table}
                    </a>
                  </li>
                )}
                {row.leads.to.slice(0, 6).map((name) => (
                  <li key={name}>
                    <ToCluster name={name} at={at} />
                  </li>
                ))}
                {row.leads.to.length > 6 && (
                  <li class="soft">{`and ${row.leads.to.length - 6} more`}</li>
                )}
              </ul>
            ),
          },
          { name: "Made by", cell: (row) => <MadeBy made={row} /> },
        ]}
      />
    </Panel>
  );
}

function Routes({ rows, at }: RowsProps<RouteRow>) {
  return (
    <Panel title="Routes" note={plural(rows.length, "route")} flush>
      <Table
        label="Routes"
        rows={rows}
        keyOf={(row) => `${row.table} ${row.host} ${row.match} ${row.leads}`}
        empty="None goes by that."
        columns={[
          {
            name: "Host",
            cell: (row) => (
              <>
                <span title={row.domains.join(", ")}>
                  {shortHost(row.host.replace(/:\d+$/, "")) || "any"}
                </span>
                <div class="soft">table {row.table || "of a listener"}</div>
              </>
            ),
          },
          { name: "When", cell: (row) => row.match },
          {
            name: "Goes to",
            cell: (row) => (
              <>
                <ul class="plain">
                  {row.clusters.map((name, i) => (
                    <li key={name}>
                      <ToCluster name={name} at={at} /> <span class="soft">{shareOf(row, i)}</span>
                    </li>
                  ))}
                  {row.clusters.length === 0 && <li>{row.leads || "–"}</li>}
                </ul>
                {row.extras.length > 0 && <div class="soft">{row.extras.join(", ")}</div>}
              </>
            ),
          },
          { name: "Made by", cell: (row) => <MadeBy made={row} /> },
        ]}
      />
    </Panel>
  );
}

const shareOf = (row: RouteRow, index: number): string =>
  row.clusters.length > 1 ? (/ (\d+ %)$/.exec(row.leads.split(", ")[index] ?? "")?.[1] ?? "") : "";

function Clusters({ rows }: { rows: readonly ClusterRow[] }) {
  return (
    <Panel title="Clusters" note={plural(rows.length, "cluster")} flush>
      <Table
        label="Clusters"
        rows={rows}
        keyOf={(row) => row.name}
        empty="None goes by that."
        columns={[
          {
            name: "Cluster",
            cell: (row) => (
              <>
                <span title={row.name}>{clusterWords(row.name)}</span>{" "}
                {row.locked && (
                  <span class="accent" title="mutual TLS">
                    <Lock />
                    <span class="hidden">mutual TLS</span>
                  </span>
                )}
              </>
            ),
          },
          {
            name: "Picks by",
            cell: (row) => `${row.type.toLowerCase()}, ${row.policy}`,
            wide: true,
          },
          {
            name: "Endpoints",
            cell: (row) => (
              <ul class="plain">
                {row.endpoints.slice(0, 8).map((one) => (
                  <li key={one.address}>
                    <code>{one.address}</code>{" "}
                    {one.health !== "healthy" && <Pill tone="warn">{one.health}</Pill>}
                  </li>
                ))}
                {row.endpoints.length === 0 && <li class="soft">–</li>}
                {row.endpoints.length > 8 && (
                  <li class="soft">{`and ${row.endpoints.length - 8} more`}</li>
                )}
              </ul>
            ),
          },
          { name: "Made by", cell: (row) => <MadeBy made={row} /> },
        ]}
      />
    </Panel>
  );
}
