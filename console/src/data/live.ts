// What all pages share: the mesh as it is, asked for again when it changes.
import { computed, signal } from "@preact/signals";
import { type Flow, flowKey, Meter } from "../graph/flows";
import { failingFrom, flowsAt, percentiles } from "../graph/history";
import { ask, Fault } from "./ask";
import type { Certificate, Overview, ProxyRow, Status, Traffic } from "./types";

const API = "/lateen/v1";
const STATUS_EVERY = 5000; // milliseconds, though nothing changed in the store: ages, builds, proxies
const TRAFFIC_EVERY = 1500;
const EASE = 5; // a look at the traffic is followed by a pause of so many times its own length
const PERCENTILES_EVERY = 5000;

export const status = signal<Status | null>(null);
export const overview = signal<Overview | null>(null);
export const proxies = signal<readonly ProxyRow[]>([]);
export const certificates = signal<readonly Certificate[]>([]);
export const flows = signal<readonly Flow[]>([]);
export const measured = signal(false); // whether the traffic has been looked at
export const trouble = signal(""); // why nothing newer is known; "" while all is well
export const known = computed(() => status.value !== null && overview.value !== null);

let asking: Promise<void> | null = null;
let again = false;

async function look(): Promise<void> {
  try {
    const [newStatus, newOverview, newProxies, newCertificates] = await Promise.all([
      ask<Status>(`${API}/status`),
      ask<Overview>(`${API}/overview`),
      ask<{ proxies: ProxyRow[] }>(`${API}/proxies`),
      ask<{ certificates: Certificate[] }>(`${API}/certificates`),
    ]);
    status.value = newStatus;
    overview.value = newOverview;
    proxies.value = newProxies.proxies;
    certificates.value = newCertificates.certificates;
    trouble.value = "";
  } catch (fault) {
    trouble.value = fault instanceof Fault ? fault.message : String(fault);
  }
}

/** Look at the mesh; whoever asks meanwhile gets one more look afterwards. */
export function refresh(): void {
  if (asking) {
    again = true;
    return;
  }
  asking = look().finally(() => {
    asking = null;
    if (again) {
      again = false;
      setTimeout(refresh, 250);
    }
  });
}

const meter = new Meter();

async function measure(): Promise<void> {
  if (document.hidden) return;
  try {
    const traffic = await ask<Traffic>(`${API}/traffic`);
    const now = meter.take(traffic.edges, performance.now() / 1000);
    flows.value = (measured.value ? now : await lately(now)).map(completed);
  } catch {
    // The look at the mesh says what is wrong, in words.
  }
  measured.value = true;
}

/** Counters looked at once give no rates: until there are two looks, the history's last minute stands for them. */
async function lately(now: readonly Flow[]): Promise<readonly Flow[]> {
  const at = Date.now() / 1000;
  try {
    const kept = await flowsAt(at, AbortSignal.timeout(PERCENTILES_EVERY));
    const known = new Map(kept.map((flow) => [flowKey(flow), flow]));
    return now.map((flow) => {
      const old = known.get(flowKey(flow)) ?? flow;
      const fails = old.errors > 0 || old.hidden > 0;
      return { ...old, locked: flow.locked, failingSince: fails ? at : null };
    });
  } catch {
    return now; // without the observer there is no history
  }
}

const earlier = new Map<string, number | null>(); // since when links fail, by their key

/** A live flow with what only the history knows: its percentile, and since when it fails. */
function completed(flow: Flow): Flow {
  const key = flowKey(flow);
  if (flow.failingSince === null) earlier.delete(key);
  else if (!earlier.has(key)) {
    earlier.set(key, null);
    const here = flow.failingSince; // without the observer: since this page has seen it
    failingFrom(flow, Math.floor(Date.now() / 1000))
      .catch(() => here)
      .then((at) => earlier.has(key) && earlier.set(key, at ?? here));
  }
  const since = earlier.get(key) ?? null; // until the history has answered, nothing is said
  return { ...flow, p95: slow.get(key) ?? flow.p95, failingSince: since };
}

let slow = new Map<string, number>();

async function time(): Promise<void> {
  if (document.hidden) return;
  try {
    slow = await percentiles();
  } catch {
    slow = new Map(); // without the observer there are no percentiles, and pages show none
  }
}

async function measuring(): Promise<void> {
  const began = performance.now();
  const first = !measured.value; // it also asks the history
  await measure();
  const took = first ? 0 : performance.now() - began;
  setTimeout(measuring, Math.max(TRAFFIC_EVERY, EASE * took));
}

/** Begin; called once. */
export function begin(): void {
  refresh();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, STATUS_EVERY);
  void measuring();
  void time();
  setInterval(time, PERCENTILES_EVERY);
  const events = new EventSource(`${API}/events`);
  events.addEventListener("changed", refresh);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
}
