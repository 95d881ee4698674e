// One field that finds any service, workload or pod and goes there.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { overview } from "../data/live";
import { go, link } from "../router";

export const finding = signal(false);
const MOST = 12;

interface Found {
  kind: string;
  name: string;
  to: string;
}

/** Everything that can be found, in the order in which it is offered. */
function everything(): Found[] {
  const seen = overview.value;
  if (!seen) return [];
  const services = seen.services.map((s) => ({
    kind: "service",
    name: `${s.namespace}/${s.name}`,
    to: link(["service", s.namespace, s.name]),
  }));
  const names = new Set(seen.pods.map((pod) => `${pod.namespace}/${pod.workload}`));
  const workloads = [...names].map((name) => ({
    kind: "workload",
    name,
    to: link(["workload", ...name.split("/")]),
  }));
  const pods = seen.pods.map((pod) => ({
    kind: "pod",
    name: `${pod.namespace}/${pod.name}`,
    to: link(["proxy", pod.namespace, pod.name]),
  }));
  return [...services, ...workloads, ...pods];
}

export function Finder() {
  const dialog = useRef<HTMLDialogElement>(null);
  const text = useSignal("");
  const at = useSignal(0);
  useEffect(() => {
    if (finding.value) {
      text.value = "";
      at.value = 0;
      dialog.current?.showModal();
    }
  }, [finding.value]);
  if (!finding.value) return <dialog ref={dialog} />;
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = everything()
    .filter((each) => words.every((word) => `${each.kind} ${each.name}`.includes(word)))
    .slice(0, MOST);
  const open = (found: Found | undefined) => {
    if (!found) return;
    go(found.to);
    dialog.current?.close();
  };
  const key = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) at.value = (at.value + by + hits.length) % Math.max(1, hits.length);
    else if (event.key === "Enter") open(hits[at.value]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={dialog}
      class="finder"
      aria-label="Find"
      onClose={() => {
        finding.value = false;
      }}
    >
      <input
        type="search"
        aria-label="A service, a workload, a pod"
        aria-describedby="found"
        placeholder="A service, a workload, a pod"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          at.value = 0;
        }}
        onKeyDown={key}
      />
      <ul id="found" aria-live="polite">
        {hits.map((found, index) => (
          <li key={`${found.kind} ${found.name}`} class={index === at.value ? "on" : ""}>
            <a href={found.to} onClick={() => dialog.current?.close()}>
              <span class="soft">{found.kind}</span> {found.name}
            </a>
          </li>
        ))}
      </ul>
    </dialog>
  );
}
