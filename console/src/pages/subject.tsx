// The pages of one service and of one workload: how it does, where it leads, who guards it.
import type { ComponentChildren } from "preact";
import { ask, query } from "../data/ask";
import { flows, overview, proxies } from "../data/live";
import { quoted, type Range, ranged, type Series } from "../data/promql";
import type { OverviewPod, RouteRule, Service } from "../data/types";
import { bytes, plural, rate, share, shortHost, span, time } from "../data/words";
import { useAsked } from "../parts/asked";
import {
  Choice,
  Dot,
  Empty,
  Panel,
  Pill,
  ProxyLink,
  Since,
  Table,
  WorkloadLink,
  Wrong,
} from "../parts/basics";
import { Chart, type Curve } from "../parts/chart";
import { link, place, reword } from "../router";
import { DeniedPanel } from "./denied";
import { EventsPanel } from "./events";
import { LogsPanel } from "./logs";
import { arriving, workloadsOf } from "./services";
import { TracesPanel } from "./traces";

const REACHES: readonly (readonly [string, string])[] = [
  ["300", "last 5 min"],
  ["900", "last 15 min"],
  ["3600", "last hour"],
  ["21600", "last 6 hours"],
];
const EVERY = 5000; // milliseconds between looks at the charts

export function ServicePage({ namespace, name }: { namespace: string; name: string }) {
  const seen = overview.value;
  const service = seen?.services.find((s) => s.namespace === namespace && s.name === name);
  if (!seen) return <Empty>Looking at the mesh …</Empty>;
  if (!service) return <Empty>{`There is no service ${namespace}/${name}.`}</Empty>;
  const wanted = Object.entries(service.selector);
  const pods = seen.pods.filter(
    (pod) =>
      !pod.done &&
      pod.namespace === namespace &&
      wanted.length > 0 &&
      wanted.every(([key, value]) => pod.labels[key] === value),
  );
  return (
    <>
      <Head kind="Service" namespace={namespace} name={name}>
        <ServiceFacts service={service} />
      </Head>
      <Charts chosen={`reporter="source", destination_service=${quoted(service.host)}`} />
      <div class="columns">
        <Versions namespace={namespace} pods={pods} />
        <Routes rules={service.routes.flatMap((i) => seen.routes[i] ?? [])} />
      </div>
      <Pods pods={pods} />
      <Rest namespace={namespace} pods={pods} workload={pods[0]?.workload ?? name} />
    </>
  );
}

export function WorkloadPage({ namespace, name }: { namespace: string; name: string }) {
  const seen = overview.value;
  if (!seen) return <Empty>Looking at the mesh …</Empty>;
  const pods = seen.pods.filter((p) => p.namespace === namespace && p.workload === name && !p.done);
  const gateway = proxies.value.some((p) => p.role === "router" && p.pod === pods[0]?.name);
  const side = gateway ? "source" : "destination";
  const chosen = `${side}_workload=${quoted(name)}, ${side}_workload_namespace=${quoted(namespace)}`;
  const services = seen.services.filter(
    (s) =>
      s.namespace === namespace &&
      Object.keys(s.selector).length > 0 &&
      pods.some((pod) => Object.entries(s.selector).every(([k, v]) => pod.labels[k] === v)),
  );
  return (
    <>
      <Head kind={gateway ? "Gateway" : "Workload"} namespace={namespace} name={name}>
        {services.map((s) => (
          <a key={s.name} class="button" href={link(["service", namespace, s.name])}>
            service {s.name}
          </a>
        ))}
      </Head>
      {pods.length === 0 && <Empty>{`No pod belongs to ${namespace}/${name} now.`}</Empty>}
      <Charts chosen={`reporter="${side}", ${chosen}`} />
      <Pods pods={pods} />
      <div class="columns">
        <Peers namespace={namespace} name={name} />
        <Routes
          rules={seen.routes.filter((r) =>
            services.some((s) => r.to.some((to) => to.host === s.host)),
          )}
        />
      </div>
      <Rest namespace={namespace} pods={pods} workload={name} />
    </>
  );
}

interface HeadProps {
  kind: string;
  namespace: string;
  name: string;
  children: ComponentChildren;
}

function Head({ kind, namespace, name, children }: HeadProps) {
  return (
    <div class="filters">
      <div>
        <span class="soft">{`${kind} in ${namespace}`}</span>
        <h1>{name}</h1>
      </div>
      <span class="facts">{children}</span>
      <span class="grow" />
      <Choice
        label="How far back"
        value={place.value.words.get("reach") ?? "900"}
        options={REACHES}
        change={(reach) => reword({ reach })}
      />
      <a class="button" href={link(["graph"], { find: name })}>
        Graph
      </a>
    </div>
  );
}

const ServiceFacts = ({ service }: { service: Service }) => (
  <>
    <Pill tone={service.ready && service.ready === service.endpoints ? "good" : "warn"}>
      {`${service.ready}/${service.endpoints} ready`}
    </Pill>
    <code>{service.host}</code>
    <code>{service.address}</code>
    <span class="soft">
      {service.ports.map((p) => `${p.name || p.protocol} ${p.port}`).join(", ")}
    </span>
  </>
);

interface Red {
  range: Range;
  codes: Series[];
  errors: Series | undefined;
  p50: Series | undefined;
  p95: Series | undefined;
  p99: Series | undefined;
  sent: Series | undefined;
  received: Series | undefined;
}

async function redOf(chosen: string, reach: number, signal: AbortSignal): Promise<Red> {
  const step = Math.max(5, reach / 180);
  const end = Math.floor(Date.now() / 1000 / step) * step;
  const range = { start: end - reach, end, step };
  const over = `[${Math.max(30, 3 * step)}s]`;
  const total = `istio_requests_total{${chosen}}${over}`;
  const bad = `istio_requests_total{${chosen}, response_code=~"5.."}${over}`;
  const many = (expression: string) => ranged(expression, range, signal);
  const one = async (expression: string) => (await many(expression))[0];
  const slow = (q: number) =>
    one(
      `histogram_quantile(${q}, sum by (le) (rate(istio_request_duration_milliseconds_bucket{${chosen}}${over})))`,
    );
  const tcp = (name: string) => one(`sum(rate(istio_tcp_${name}_bytes_total{${chosen}}${over}))`);
  const [codes, errors, p50, p95, p99, sent, received] = await Promise.all([
    many(`sum by (response_code) (rate(${total}))`),
    one(`(sum(rate(${bad})) or 0 * sum(rate(${total}))) / sum(rate(${total}))`),
    slow(0.5),
    slow(0.95),
    slow(0.99),
    tcp("sent"),
    tcp("received"),
  ]);
  return { range, codes, errors, p50, p95, p99, sent, received };
}

/** Rate, errors and duration; bytes where there is TCP. */
function Charts({ chosen }: { chosen: string }) {
  const reach = Number(place.value.words.get("reach")) || 900;
  const { data, wrong } = useAsked(
    `${chosen} ${reach}`,
    (signal) => redOf(chosen, reach, signal),
    EVERY,
  );
  if (wrong && !data) {
    return (
      <Panel title="Requests, errors, durations">
        <Wrong words={wrong} />
      </Panel>
    );
  }
  if (!data) return <section class="charts waiting" aria-busy="true" />;
  const colour = (code: string) =>
    code.startsWith("5")
      ? "bad-line"
      : code.startsWith("4")
        ? "warn-line"
        : code.startsWith("3")
          ? "chart-2"
          : "ok-line";
  const codes = [...data.codes]
    .sort((a, b) => ((a.labels.response_code ?? "") < (b.labels.response_code ?? "") ? -1 : 1))
    .map((series): Curve => {
      const code = series.labels.response_code ?? "0";
      return {
        name: code === "0" ? "cut off" : code,
        colour: colour(code === "0" ? "5" : code),
        series,
        filled: true,
      };
    });
  return (
    <section class="charts" aria-label="Requests, errors, durations">
      <Chart title="Requests a second" curves={codes} range={data.range} words={rate} />
      <Chart
        title="Errors"
        curves={[{ name: "failing", colour: "bad-line", series: data.errors, filled: true }]}
        range={data.range}
        words={share}
      />
      <Chart
        title="Duration"
        curves={[
          { name: "p50", colour: "chart-1", series: data.p50 },
          { name: "p95", colour: "chart-2", series: data.p95 },
          { name: "p99", colour: "chart-4", series: data.p99 },
        ]}
        range={data.range}
        words={time}
      />
      {(data.sent || data.received) && (
        <Chart
          title="TCP bytes a second"
          curves={[
            { name: "received", colour: "chart-1", series: data.received },
            { name: "sent", colour: "chart-3", series: data.sent },
          ]}
          range={data.range}
          words={bytes}
        />
      )}
    </section>
  );
}

function Versions({ namespace, pods }: { namespace: string; pods: readonly OverviewPod[] }) {
  const rows = workloadsOf(pods);
  const total = rows.reduce((sum, row) => sum + arriving(namespace, row.name).rate, 0);
  return (
    <Panel title="Workloads and versions" flush>
      <Table
        label="Workloads and versions"
        rows={rows}
        keyOf={(row) => row.name}
        empty="No pod stands behind this service."
        columns={[
          {
            name: "Workload",
            cell: (row) => <WorkloadLink namespace={namespace} name={row.name} />,
          },
          { name: "Version", cell: (row) => row.version || "–" },
          { name: "Pods", number: true, cell: (row) => `${row.ready}/${row.pods.length}` },
          { name: "Rate", number: true, cell: (row) => rate(arriving(namespace, row.name).rate) },
          {
            name: "Share",
            cell: (row) => {
              const part = total ? arriving(namespace, row.name).rate / total : 0;
              return <Meter part={part} />;
            },
          },
          {
            name: "Errors",
            number: true,
            cell: (row) => share(arriving(namespace, row.name).errors),
          },
        ]}
      />
    </Panel>
  );
}

const Meter = ({ part }: { part: number }) => (
  <span class="meter">
    <meter min={0} max={1} value={part} aria-label="Share of the requests" /> {share(part)}
  </span>
);

function Routes({ rules }: { rules: readonly RouteRule[] }) {
  return (
    <Panel title="Routes that lead here" flush>
      <Table
        label="Routes that lead here"
        rows={rules}
        keyOf={(row) => `${row.namespace}/${row.name} ${row.place} ${row.rule} ${row.match.join()}`}
        empty="No VirtualService: requests go to all ready pods alike."
        columns={[
          {
            name: "Rule",
            cell: (row) => (
              <>
                <a
                  href={link([
                    "config",
                    "networking.istio.io",
                    "VirtualService",
                    row.namespace,
                    row.name,
                  ])}
                >
                  {row.namespace}/{row.name}
                </a>{" "}
                <span class="soft">{row.rule}</span>
                <div>
                  <code class="place">{row.place}</code>
                </div>
              </>
            ),
          },
          { name: "When", cell: (row) => row.match.join("; ") || "all" },
          {
            name: "Goes to",
            cell: (row) => (
              <ul class="plain">
                {row.to.map((to) => (
                  <li key={`${to.host} ${to.subset}`}>
                    {`${to.weight} % `}
                    {shortHost(to.host)} {to.subset && <Pill tone="note">{to.subset}</Pill>}
                  </li>
                ))}
              </ul>
            ),
          },
          { name: "Also", cell: (row) => row.extra.join(", "), wide: true },
        ]}
      />
    </Panel>
  );
}

function Pods({ pods }: { pods: readonly OverviewPod[] }) {
  const words = new Map(proxies.value.map((p) => [`${p.namespace}/${p.pod}`, p]));
  return (
    <Panel title="Pods" note={plural(pods.length, "pod")} flush>
      <Table
        label="Pods"
        rows={pods}
        keyOf={(row) => row.name}
        empty="None."
        columns={[
          {
            name: "Pod",
            cell: (row) => (
              <>
                <Dot
                  tone={row.ready >= row.total ? "good" : "bad"}
                  label={`${row.ready} of ${row.total} ready`}
                />{" "}
                <ProxyLink namespace={row.namespace} pod={row.name} />
              </>
            ),
          },
          {
            name: "State",
            cell: (row) => (row.ready >= row.total ? row.state : `${row.state} ${row.message}`),
          },
          { name: "Ready", number: true, cell: (row) => `${row.ready}/${row.total}` },
          { name: "Restarts", number: true, cell: (row) => row.restarts, wide: true },
          { name: "For", number: true, cell: (row) => <Since at={row.since} /> },
          {
            name: "Proxy",
            cell: (row) => {
              const state = words.get(`${row.namespace}/${row.name}`)?.state;
              if (!state) return <span class="soft">none</span>;
              return (
                <Pill tone={state === "programmed" ? "good" : state === "refused" ? "bad" : "warn"}>
                  {state}
                </Pill>
              );
            },
          },
        ]}
      />
    </Panel>
  );
}

function Peers({ namespace, name }: { namespace: string; name: string }) {
  const rows = flows.value.filter(
    (f) =>
      (f.destination === name && f.destinationNamespace === namespace) ||
      (f.source === name && f.sourceNamespace === namespace),
  );
  return (
    <Panel title="Speaks with" flush>
      <Table
        label="Speaks with"
        rows={rows}
        keyOf={(row) => `${row.source} ${row.destination} ${row.version}`}
        empty="Nobody yet."
        columns={[
          {
            name: "Whom",
            cell: (row) => {
              const out = row.source === name;
              const other = out ? row.destination : row.source;
              const where = out ? row.destinationNamespace : row.sourceNamespace;
              return (
                <>
                  <span class="soft">{out ? "to" : "from"}</span>{" "}
                  {other === "unknown" ? (
                    "callers outside"
                  ) : (
                    <WorkloadLink namespace={where} name={other} />
                  )}
                </>
              );
            },
          },
          { name: "Rate", number: true, cell: (row) => rate(row.rate + row.connections) },
          { name: "Errors", number: true, cell: (row) => share(row.errors) },
          { name: "p95", number: true, cell: (row) => time(row.p95) },
          { name: "mTLS", cell: (row) => (row.locked ? "yes" : "–"), wide: true },
        ]}
      />
    </Panel>
  );
}

interface Setting {
  group: string;
  kind: string;
  namespace: string;
  name: string;
  acknowledged: boolean;
}

const GUARDS = ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"];

/** Which of Istio's policies the workload's proxy runs. */
function Guards({ namespace, pod }: { namespace: string; pod: string }) {
  const { data, wrong } = useAsked(
    `${namespace}/${pod}`,
    (signal) =>
      ask<{ settings: Setting[] }>(`/lateen/v1/proxies/${namespace}/${pod}/settings`, signal),
    EVERY,
  );
  const rows = (data?.settings ?? []).filter((each) => GUARDS.includes(each.kind));
  const identity = proxies.value.find((p) => p.namespace === namespace && p.pod === pod)?.identity;
  return (
    <Panel title="Policies that guard it" note={identity && <code>{identity}</code>} flush>
      <Wrong words={data ? "" : wrong} />
      <Table
        label="Policies that guard it"
        rows={rows}
        keyOf={(row) => `${row.kind} ${row.namespace}/${row.name}`}
        empty="None of its own: mTLS is as the mesh has it, and everyone in the mesh is let in."
        columns={[
          {
            name: "Policy",
            cell: (row) => (
              <a href={link(["config", row.group, row.kind, row.namespace, row.name])}>
                {row.namespace}/{row.name}
              </a>
            ),
          },
          { name: "Kind", cell: (row) => row.kind },
          {
            name: "Proxy",
            cell: (row) => (
              <Pill tone={row.acknowledged ? "good" : "warn"}>
                {row.acknowledged ? "acknowledged" : "waiting"}
              </Pill>
            ),
          },
        ]}
      />
    </Panel>
  );
}

interface RestProps {
  namespace: string;
  workload: string;
  pods: readonly OverviewPod[];
}

function Rest({ namespace, workload, pods }: RestProps) {
  const first = pods[0];
  const proxied = first && proxies.value.some((p) => p.pod === first.name);
  const oldest = Math.max(0, ...pods.map((pod) => pod.age ?? 0));
  return (
    <>
      <div class="columns">
        {proxied && <Guards namespace={namespace} pod={first.name} />}
        <DeniedPanel namespace={namespace} pods={pods.map((pod) => pod.name)} />
      </div>
      <TracesPanel
        words={query({ service: `${first?.labels.app ?? workload}.${namespace}`, limit: 8 })}
      />
      <LogsPanel namespace={namespace} pod={workload} />
      <EventsPanel
        namespace={namespace}
        name={workload}
        note={oldest ? `pods up to ${span(oldest)} old` : ""}
      />
    </>
  );
}
