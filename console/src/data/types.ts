// What the control plane and the observer answer, as far as the pages read it.

export interface Problem {
  code: string;
  level: "Error" | "Warning" | "Info";
  kind: string;
  namespace: string;
  name: string;
  field: string;
  file: string;
  line: number;
  column: number;
  message: string;
  fix: string;
  since?: number | null; // unix seconds
}

export interface StatusPod {
  namespace: string;
  name: string;
  ready: string;
  isReady: boolean;
  state: string;
  phase: string;
  message: string;
  restarts: number;
  ip: string;
  proxy: string;
  age: number;
}

export interface Status {
  name: string;
  phase: string;
  pods: StatusPod[];
  urls: string[];
  problems: Problem[];
  refused: string[];
  news: string[];
}

export interface OverviewPod {
  namespace: string;
  name: string;
  workload: string;
  version: string;
  node: string;
  ready: number;
  total: number;
  state: string;
  restarts: number;
  address: string;
  age: number | null;
  since: number | null; // unix seconds, when it last became ready or stopped being so
  labels: Record<string, string>;
  message: string;
  done: boolean;
}

export interface Service {
  namespace: string;
  name: string;
  host: string;
  type: string;
  address: string;
  ports: { name: string; port: number; protocol: string }[];
  selector: Record<string, string>;
  ready: number;
  endpoints: number;
  routes: number[];
}

export interface Destination {
  host: string;
  subset: string;
  port: number | null;
  weight: number;
}

export interface RouteRule {
  namespace: string;
  name: string;
  hosts: string[];
  gateways: string[];
  rule: string;
  match: string[];
  to: Destination[];
  extra: string[];
  place: string;
}

export interface Overview {
  revision: number;
  pods: OverviewPod[];
  services: Service[];
  routes: RouteRule[];
  counts: Record<string, number>;
}

export interface ProxyRow {
  namespace: string;
  pod: string;
  id: string;
  role: string;
  identity: string;
  state: string;
  types: Record<string, number>;
  ackedAt: Record<string, number | null>;
  bytes: number;
  certificateSeconds: number;
  since: number | null; // unix seconds, when its stream began; null without one
  refused: { type: string; names: string; message: string; at: number }[];
}

export interface Certificate {
  kind: string;
  namespace: string;
  name: string;
  state: string; // ok, ends soon, expired, not yet valid
  notBefore: string | null;
  notAfter: string;
  secondsLeft: number;
}

export interface Edge {
  source: string;
  source_namespace: string;
  destination: string;
  destination_namespace: string;
  version: string;
  requests: number;
  errors: number;
  tries: number;
  tries_failed: number;
  mutual: number;
  plain: number;
  connections: number;
  milliseconds: number | null;
}

export interface Traffic {
  edges: Edge[];
}
