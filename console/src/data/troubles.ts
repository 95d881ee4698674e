// What is unhealthy, worst first: the overview's first question.

import type { Flow } from "../graph/flows";
import { BAD_SHARE } from "../graph/model";
import { link, targetOf } from "./address";
import type { Certificate, Overview, ProxyRow, Status } from "./types";
import { rate, share, span, time } from "./words";

export interface Trouble {
  tone: "bad" | "warn";
  sort: string;
  what: string;
  why: string;
  to: string;
  since: number | null; // unix seconds
}

const STARTING = 20; // seconds in which a pod that is not ready is only starting

/** Pods, proxies, certificates and calls that are not as they should be; `now` in unix seconds. */
export function troublesOf(
  status: Status,
  overview: Overview,
  proxies: readonly ProxyRow[],
  certificates: readonly Certificate[],
  flows: readonly Flow[],
  now: number,
): Trouble[] {
  const all = [
    ...failingCalls(flows),
    ...hiddenFailures(flows),
    ...sickPods(status, overview),
    ...sickProxies(proxies),
    ...endingCertificates(certificates),
  ];
  const rank = (trouble: Trouble) => (trouble.tone === "bad" ? 0 : 1);
  return all.sort((a, b) => rank(a) - rank(b) || (a.since ?? now) - (b.since ?? now));
}

function failingCalls(flows: readonly Flow[]): Trouble[] {
  return flows
    .filter((flow) => flow.rate > 0 && flow.errors >= BAD_SHARE)
    .map((flow) => ({
      tone: "bad",
      sort: "errors",
      what: callOf(flow),
      why: `${share(flow.errors)} of ${rate(flow.rate)} fail`,
      to: targetOf(flow.destinationNamespace, flow.destination),
      since: flow.failingSince,
    }));
}

/** What a caller's retries make good: it sees no error, it waits. */
function hiddenFailures(flows: readonly Flow[]): Trouble[] {
  return flows
    .filter((flow) => flow.rate > 0 && flow.hidden > 0 && flow.errors < BAD_SHARE)
    .map((flow) => ({
      tone: "warn",
      sort: "retries",
      what: callOf(flow),
      why: `${share(flow.hidden)} of the tries fail and are made again: callers wait${flow.p95 ? `, p95 ${time(flow.p95)}` : ""}`,
      to: targetOf(flow.destinationNamespace, flow.destination),
      since: flow.failingSince,
    }));
}

const callOf = (flow: Flow): string =>
  `${flow.source} → ${flow.destination}${flow.version ? ` ${flow.version}` : ""}`;

function sickPods(status: Status, overview: Overview): Trouble[] {
  const words = new Map(status.pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod.message]));
  return overview.pods
    .filter((pod) => !pod.done && (pod.total === 0 || pod.ready < pod.total))
    .map((pod) => {
      const young = (pod.age ?? 0) < STARTING && pod.restarts === 0;
      const why = words.get(`${pod.namespace}/${pod.name}`) || pod.message;
      const state = pod.state === "Running" ? "not ready" : pod.state;
      return {
        tone: young ? "warn" : "bad",
        sort: "pod",
        what: `${pod.namespace}/${pod.name}`,
        why: [state, `${pod.ready} of ${pod.total} containers ready`, why]
          .filter(Boolean)
          .join(": "),
        to: link(["workload", pod.namespace, pod.workload]),
        since: pod.since,
      };
    });
}

const STATES: Record<string, string> = {
  refused: "refused its configuration",
  connecting: "has not asked for its configuration yet",
  disconnected: "has lost the control plane; it goes on with what it has",
  syncing: "has not acknowledged the newest configuration",
};

function sickProxies(proxies: readonly ProxyRow[]): Trouble[] {
  return proxies
    .filter((proxy) => proxy.state !== "programmed")
    .map((proxy) => {
      const said = proxy.refused[0];
      const words = said ? `${said.type} ${said.names}: ${said.message}` : "";
      return {
        tone: proxy.state === "refused" ? "bad" : "warn",
        sort: "proxy",
        what: `${proxy.namespace}/${proxy.pod}`,
        why: [STATES[proxy.state] ?? proxy.state, words].filter(Boolean).join(": "),
        to: link(["proxy", proxy.namespace, proxy.pod]),
        since: said?.at ?? proxy.since,
      };
    });
}

/** What the control plane calls no longer `ok`: past the moment at which it should have been renewed. */
function endingCertificates(certificates: readonly Certificate[]): Trouble[] {
  return certificates
    .filter((each) => each.state !== "ok")
    .map((each) => ({
      tone: each.state === "ends soon" ? "warn" : "bad",
      sort: "certificate",
      what: [each.namespace, each.name].filter(Boolean).join("/") || each.kind,
      why: `${each.kind}: ${each.state}${each.secondsLeft > 0 ? `, in ${span(each.secondsLeft)}` : ""}`,
      to: each.kind === "proxy" ? link(["proxy", each.namespace, each.name]) : link(["config"]),
      since: null,
    }));
}
