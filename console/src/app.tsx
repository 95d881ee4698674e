// Which page an address means.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { GraphPage } from "./graph/page";
import { ConfigPage } from "./pages/config";
import { LogsPage } from "./pages/logs";
import { ObjectPage } from "./pages/object";
import { OverviewPage } from "./pages/overview";
import { ProxyPage } from "./pages/proxy";
import { ServicesPage } from "./pages/services";
import { ServicePage, WorkloadPage } from "./pages/subject";
import { TracePage, TracesPage } from "./pages/traces";
import { Empty } from "./parts/basics";
import { Shell } from "./parts/shell";
import { link, place } from "./router";

interface Page {
  title: string;
  show: () => ComponentChild;
}

function pageOf(path: readonly string[]): Page {
  const [first = "", ...rest] = path;
  switch (first) {
    case "":
      return { title: "Overview", show: () => <OverviewPage /> };
    case "graph":
      return { title: "Graph", show: () => <GraphPage /> };
    case "services":
      return { title: "Services", show: () => <ServicesPage /> };
    case "service":
      return { title: rest[1] ?? "", show: () => <ServicePage {...named(rest)} /> };
    case "workload":
      return { title: rest[1] ?? "", show: () => <WorkloadPage {...named(rest)} /> };
    case "proxy":
      return {
        title: rest[1] ?? "",
        show: () => <ProxyPage namespace={named(rest).namespace} pod={named(rest).name} />,
      };
    case "config":
      if (rest.length < 4) return { title: "Configuration", show: () => <ConfigPage /> };
      return { title: rest[3] ?? "", show: () => <ObjectPage {...object(rest)} /> };
    case "traces":
      return { title: "Traces", show: () => <TracesPage /> };
    case "trace":
      return { title: "Trace", show: () => <TracePage id={rest[0] ?? ""} /> };
    case "logs":
      return { title: "Logs", show: () => <LogsPage /> };
    default:
      return { title: "Nothing here", show: () => <Nowhere what={[first, ...rest].join("/")} /> };
  }
}

const named = ([namespace = "", name = ""]: readonly string[]) => ({ namespace, name });

const object = ([group = "", kind = "", namespace = "", name = ""]: readonly string[]) => ({
  group,
  kind,
  namespace,
  name,
});

const Nowhere = ({ what }: { what: string }) => (
  <Empty>
    There is no page “{what}”. <a href={link([])}>To the overview</a>
  </Empty>
);

export function App() {
  const page = pageOf(place.value.path);
  const address = place.value.path.join("/");
  // A new page begins at its top.
  useEffect(() => scrollTo(0, 0), [address]);
  return <Shell title={page.title}>{page.show()}</Shell>;
}
