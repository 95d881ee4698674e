// What all pages share: the mesh as it is, asked for again when it changes.
import { computed, signal } from "@preact/signals";
import { type Flow, Meter } from "../graph/flows";
import { ask, Fault } from "./ask";
import type { Overview, Proxy, Status, Traffic } from "./types";

const API = "/lateen/v1";
const STATUS_EVERY = 5000; // milliseconds, though nothing changed in the store: ages, builds, proxies
const TRAFFIC_EVERY = 1500;

export const status = signal<Status | null>(null);
export const overview = signal<Overview | null>(null);
export const proxies = signal<readonly Proxy[]>([]);
export const flows = signal<readonly Flow[]>([]);
export const trouble = signal(""); // why nothing newer is known; "" while all is well
export const known = computed(() => status.value !== null && overview.value !== null);

let asking: Promise<void> | null = null;
let again = false;

async function look(): Promise<void> {
  try {
    const [newStatus, newOverview, newProxies] = await Promise.all([
      ask<Status>(`${API}/status`),
      ask<Overview>(`${API}/overview`),
      ask<{ proxies: Proxy[] }>(`${API}/proxies`),
    ]);
    status.value = newStatus;
    overview.value = newOverview;
    proxies.value = newProxies.proxies;
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
    flows.value = meter.take(traffic.edges, performance.now() / 1000);
  } catch {
    // The look at the mesh says what is wrong, in words.
  }
}

async function measuring(): Promise<void> {
  await measure();
  setTimeout(measuring, TRAFFIC_EVERY);
}

/** Begin; called once. */
export function begin(): void {
  refresh();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, STATUS_EVERY);
  void measuring();
  const events = new EventSource(`${API}/events`);
  events.addEventListener("changed", refresh);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
}
