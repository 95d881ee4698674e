// Which page an address means.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { GraphPage } from "./graph/page";
import { OverviewPage } from "./pages/overview";
import { ServicesPage } from "./pages/services";
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
    default:
      return { title: "Nothing here", show: () => <Nowhere what={[first, ...rest].join("/")} /> };
  }
}

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
