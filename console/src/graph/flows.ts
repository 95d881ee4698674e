// What flows between workloads now: from counters looked at twice, or from queries of the kept history.
import type { Edge } from "../data/types";

export interface Flow {
  source: string;
  sourceNamespace: string;
  destination: string;
  destinationNamespace: string;
  version: string;
  rate: number; // requests a second
  errors: number; // share from 0 to 1
  p95: number | null; // milliseconds
  connections: number; // TCP connections opened a second
  hidden: number; // share of the tries that fail and that retries hide from the caller; 0 if it sees them
  locked: boolean; // all that arrived came over mTLS
  failingSince: number | null; // unix seconds; null while nothing fails
}

const HIDDEN = 0.05; // share of the tries that must fail beyond what the caller sees, for both are not counted in the same moment

/** The share of tries that fail, where the caller sees clearly fewer errors than that. */
export function hiddenOf(tried: number, failed: number, errors: number): number {
  const part = tried > 0 ? failed / tried : 0;
  return part - errors >= HIDDEN ? part : 0;
}

export const WINDOW = 6; // seconds over which a live rate is taken

type Ends = Pick<
  Flow,
  "source" | "sourceNamespace" | "destination" | "destinationNamespace" | "version"
>;

export const flowKey = (flow: Ends): string =>
  [
    flow.sourceNamespace,
    flow.source,
    flow.destinationNamespace,
    flow.destination,
    flow.version,
  ].join("|");

interface Look {
  at: number; // seconds
  edges: Map<string, Edge>;
}

const edgeKey = (e: Edge) =>
  [e.source_namespace, e.source, e.destination_namespace, e.destination, e.version].join("|");

/** Turns counters that only grow into rates; a counter that fell began anew. */
export class Meter {
  private looks: Look[] = [];
  private readonly failing = new Map<string, number>();

  /** Take a look at the counters (`at` in seconds) and say what flowed in the last WINDOW seconds. */
  take(edges: readonly Edge[], at: number): Flow[] {
    // The last look stays however old it is: a rate over a longer time is better than none.
    this.looks = this.looks.filter(
      (look, i, all) => i === all.length - 1 || at - look.at <= WINDOW + 0.5,
    );
    const first = this.looks[0];
    this.looks.push({ at, edges: new Map(edges.map((edge) => [edgeKey(edge), edge])) });
    return edges.map((edge) => {
      const flow = flowOf(edge, first?.edges.get(edgeKey(edge)), first, at);
      return { ...flow, failingSince: this.since(flow) };
    });
  }

  private since(flow: Flow): number | null {
    const key = flowKey(flow);
    if (flow.errors === 0 && flow.hidden === 0) this.failing.delete(key);
    else if (!this.failing.has(key)) this.failing.set(key, Date.now() / 1000);
    return this.failing.get(key) ?? null;
  }
}

type Counted = "requests" | "errors" | "connections" | "tries" | "tries_failed" | "plain";

function flowOf(edge: Edge, before: Edge | undefined, first: Look | undefined, at: number): Flow {
  const seconds = first ? at - first.at : 0;
  const grown = (field: Counted) => {
    const old = before?.[field] ?? 0;
    return edge[field] >= old ? edge[field] - old : edge[field];
  };
  const requests = first ? grown("requests") : 0;
  const errors = requests > 0 ? grown("errors") / requests : 0;
  return {
    source: edge.source,
    sourceNamespace: edge.source_namespace,
    destination: edge.destination,
    destinationNamespace: edge.destination_namespace,
    version: edge.version === "unknown" ? "" : edge.version,
    rate: seconds > 0 ? requests / seconds : 0,
    errors,
    hidden: requests > 0 ? hiddenOf(grown("tries"), grown("tries_failed"), errors) : 0,
    p95: null,
    connections: first && seconds > 0 ? grown("connections") / seconds : 0,
    locked: edge.mutual > 0 && grown("plain") === 0,
    failingSince: null,
  };
}
