// What an Envoy runs, put as people ask: which listener leads by which route to which cluster and whom.

type Tree = Record<string, unknown>;

export interface Made {
  origin: string; // `VirtualService shop/reviews spec.http[0]`
  place: string; // `istio/reviews.yaml:14`, if it is written in a file
}

export interface Leads {
  to: string[]; // names of clusters
  table: string; // or the name of a route table
}

export interface ListenerRow extends Made {
  name: string;
  address: string;
  direction: string;
  leads: Leads;
}

export interface RouteRow extends Made {
  table: string;
  host: string; // its virtual host
  domains: string[];
  match: string;
  leads: string; // `reviews v1 90 %`, or what is answered
  clusters: string[];
  extras: string[];
}

export interface EndpointRow {
  address: string;
  health: string;
  weight: number;
  locality: string;
}

export interface ClusterRow extends Made {
  name: string;
  type: string;
  policy: string;
  locked: boolean;
  endpoints: EndpointRow[];
}

export interface ProxyConfig {
  listeners: ListenerRow[];
  routes: RouteRow[];
  clusters: ClusterRow[];
}

const tree = (value: unknown): Tree =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Tree) : {};
const list = (value: unknown): Tree[] => (Array.isArray(value) ? value.map(tree) : []);
const text = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" ? String(value) : "";
const at = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((found, name) => tree(found)[name], value);

/** Read Envoy's config_dump, which lateen has written the origins into. */
export function proxyConfig(dump: { configs: unknown[] }): ProxyConfig {
  const of = (name: string) =>
    list(dump.configs).filter((config) => text(config["@type"]).endsWith(`.${name}`));
  const endpoints = endpointsOf(of("EndpointsConfigDump"));
  return {
    listeners: of("ListenersConfigDump").flatMap(listenersOf),
    routes: of("RoutesConfigDump").flatMap(routesOf),
    clusters: of("ClustersConfigDump").flatMap((config) => clustersOf(config, endpoints)),
  };
}

function made(of: unknown): Made {
  const own = at(of, "metadata", "filter_metadata", "lateen");
  return { origin: text(at(own, "origin")), place: text(at(own, "place")) };
}

function listenersOf(config: Tree): ListenerRow[] {
  const dynamic = list(config.dynamic_listeners).map((one) => at(one, "active_state", "listener"));
  const fixed = list(config.static_listeners).map((one) => one.listener);
  return [...dynamic, ...fixed].map(tree).map((listener) => ({
    ...made(listener),
    name: text(listener.name),
    address: addressOf(listener.address),
    direction: text(listener.traffic_direction).toLowerCase() || "both",
    leads: leadsOf(listener),
  }));
}

function addressOf(address: unknown): string {
  const socket = at(address, "socket_address");
  if (socket) return `${text(at(socket, "address"))}:${text(at(socket, "port_value"))}`;
  return (
    text(at(address, "pipe", "path")) ||
    text(at(address, "envoy_internal_address", "server_listener_name"))
  );
}

function leadsOf(listener: Tree): Leads {
  const to = new Set<string>();
  let table = "";
  const chains = [...list(listener.filter_chains), tree(listener.default_filter_chain)];
  for (const filter of chains.flatMap((chain) => list(chain.filters))) {
    const config = tree(filter.typed_config);
    table ||= text(at(config, "rds", "route_config_name"));
    table ||= text(at(config, "route_config", "name"));
    if (text(config.cluster)) to.add(text(config.cluster));
    for (const one of list(at(config, "weighted_clusters", "clusters"))) to.add(text(one.name));
  }
  return { to: [...to], table };
}

function routesOf(config: Tree): RouteRow[] {
  const tables = [...list(config.dynamic_route_configs), ...list(config.static_route_configs)];
  return tables.flatMap((one) => {
    const table = tree(one.route_config);
    return list(table.virtual_hosts).flatMap((host) =>
      list(host.routes).map((route) => routeOf(text(table.name), host, route)),
    );
  });
}

function routeOf(table: string, host: Tree, route: Tree): RouteRow {
  const split = list(at(route, "route", "weighted_clusters", "clusters"));
  const total = split.reduce((sum, one) => sum + Number(one.weight ?? 0), 0);
  const clusters = split.length
    ? split.map((one) => text(one.name))
    : [text(at(route, "route", "cluster"))].filter(Boolean);
  const shares = split.map((one) => Math.round((100 * Number(one.weight ?? 0)) / (total || 1)));
  return {
    ...made(route),
    table,
    host: text(host.name),
    domains: Array.isArray(host.domains) ? host.domains.map(text) : [],
    match: matchOf(tree(route.match)),
    leads: clusters.length
      ? clusters
          .map((name, i) => [name, shares[i] === undefined ? "" : ` ${shares[i]} %`].join(""))
          .join(", ")
      : answerOf(route),
    clusters,
    extras: extrasOf(tree(route.route), route),
  };
}

function answerOf(route: Tree): string {
  if (route.redirect) return `redirect ${JSON.stringify(route.redirect)}`;
  const status = at(route, "direct_response", "status");
  return status === undefined ? "" : `answers ${text(status)}`;
}

function matchOf(match: Tree): string {
  const words: string[] = [];
  for (const [field, value] of Object.entries(match)) {
    if (field === "prefix") words.push(value === "/" ? "everything" : `path begins ${text(value)}`);
    else if (field === "path") words.push(`path is ${text(value)}`);
    else if (field === "path_separated_prefix") words.push(`path below ${text(value)}`);
    else if (field === "safe_regex") words.push(`path matches ${text(at(value, "regex"))}`);
    else if (field === "headers") words.push(...list(value).map(headerWords));
    else if (field === "query_parameters")
      words.push(...list(value).map((one) => `?${text(one.name)}`));
    else if (field !== "case_sensitive") words.push(field);
  }
  return words.join(", ") || "everything";
}

function headerWords(header: Tree): string {
  const form = tree(header.string_match);
  const [how, what] = Object.entries(form)[0] ?? ["is there", ""];
  const not = header.invert_match ? "not " : "";
  return `${text(header.name)} ${not}${how} ${typeof what === "string" ? what : text(at(what, "regex"))}`.trim();
}

function extrasOf(action: Tree, route: Tree): string[] {
  const words: string[] = [];
  const timeout = text(action.timeout);
  if (timeout && timeout !== "0s") words.push(`timeout ${timeout}`);
  const retries = at(action, "retry_policy", "num_retries");
  if (retries !== undefined) words.push(`${text(retries)} retries`);
  if (action.prefix_rewrite || action.regex_rewrite) words.push("rewritten");
  if (list(action.request_mirror_policies).length) words.push("mirrored");
  if (at(route, "typed_per_filter_config", "envoy.filters.http.fault"))
    words.push("fault injected");
  return words;
}

function clustersOf(config: Tree, endpoints: Map<string, EndpointRow[]>): ClusterRow[] {
  const all = [...list(config.dynamic_active_clusters), ...list(config.static_clusters)];
  return all
    .map((one) => tree(one.cluster))
    .map((cluster) => ({
      ...made(cluster),
      name: text(cluster.name),
      type: text(cluster.type) || text(at(cluster, "cluster_type", "name")) || "STATIC",
      policy: (text(cluster.lb_policy) || "ROUND_ROBIN").toLowerCase().replaceAll("_", " "),
      locked: JSON.stringify(
        cluster.transport_socket_matches ?? cluster.transport_socket ?? "",
      ).includes("tls"),
      endpoints: endpoints.get(text(cluster.name)) ?? [],
    }));
}

function endpointsOf(configs: Tree[]): Map<string, EndpointRow[]> {
  const found = new Map<string, EndpointRow[]>();
  for (const config of configs) {
    const all = [...list(config.dynamic_endpoint_configs), ...list(config.static_endpoint_configs)];
    for (const { endpoint_config: load } of all) {
      found.set(text(at(load, "cluster_name")), list(at(load, "endpoints")).flatMap(localityRows));
    }
  }
  return found;
}

function localityRows(group: Tree): EndpointRow[] {
  const where = ["region", "zone", "sub_zone"].map((part) => text(at(group, "locality", part)));
  return list(group.lb_endpoints).map((one) => ({
    address: addressOf(at(one, "endpoint", "address")),
    health: text(one.health_status).toLowerCase() || "healthy",
    weight: Number(one.load_balancing_weight ?? 1),
    locality: where.filter(Boolean).join("/"),
  }));
}
