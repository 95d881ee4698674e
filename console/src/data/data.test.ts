import { describe, expect, it } from "vitest";
import { proxyConfig } from "./proxyconfig";
import { type Span, waterfall } from "./tracing";
import { bytes, rate, share, span, time } from "./words";
import { lineFor, linesOf, wordsOf } from "./yaml";

describe("numbers", () => {
  it("are short and keep their meaning", () => {
    expect([span(5), span(130), span(7300), span(200000), span(null)]).toEqual([
      "5 s",
      "2 min",
      "2 h",
      "2 d",
      "–",
    ]);
    expect([rate(0), rate(0.02), rate(3.14), rate(42.4), rate(1234)]).toEqual([
      "0/s",
      "<0.1/s",
      "3.1/s",
      "42/s",
      "1.2k/s",
    ]);
    expect([share(0), share(0.0004), share(0.034), share(0.5), share(Number.NaN)]).toEqual([
      "0 %",
      "<0.1 %",
      "3.4 %",
      "50 %",
      "0 %",
    ]);
    expect([time(0.4), time(7.25), time(45), time(1234), time(Number.NaN)]).toEqual([
      "0.40 ms",
      "7.3 ms",
      "45 ms",
      "1.23 s",
      "–",
    ]);
    expect([bytes(12), bytes(3400), bytes(1.2e6)]).toEqual(["12 B", "3.4 kB", "1.2 MB"]);
  });
});

describe("YAML", () => {
  const object = {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "web", annotations: { "a.b/c": "yes" }, labels: {} },
    spec: {
      hosts: ["web", "*.example.com"],
      http: [{ route: [{ destination: { host: "web" }, weight: 90 }], timeout: "2s" }],
      note: "one\ntwo\n",
    },
  };

  it("is written as one would write it, and each line knows its field", () => {
    const lines = linesOf(object);
    expect(lines.map((line) => line.text)).toEqual([
      "apiVersion: networking.istio.io/v1",
      "kind: VirtualService",
      "metadata:",
      "  name: web",
      "  annotations:",
      '    a.b/c: "yes"',
      "  labels: {}",
      "spec:",
      "  hosts:",
      "  - web",
      '  - "*.example.com"',
      "  http:",
      "  - route:",
      "    - destination:",
      "        host: web",
      "      weight: 90",
      '    timeout: "2s"',
      "  note: |",
      "    one",
      "    two",
    ]);
    expect(lines[5]?.field).toBe('metadata.annotations["a.b/c"]');
    expect(lines[14]?.field).toBe("spec.http[0].route[0].destination.host");
  });

  it("finds the line of a field, or of what it would stand in", () => {
    const lines = linesOf(object);
    expect(lines[lineFor(lines, "spec.http[0].route[0].weight")]?.text.trim()).toBe("weight: 90");
    expect(lines[lineFor(lines, "spec.http[0].route[0].headers.set")]?.text.trim()).toBe(
      "- destination:",
    );
    expect(lineFor(lines, "status.nothing")).toBe(0);
  });

  it("tells keys from values", () => {
    expect(wordsOf("  - weight: 90")).toEqual([
      ["rest", "  "],
      ["dash", "- "],
      ["key", "weight"],
      ["rest", ":"],
      ["number", " 90"],
    ]);
    expect(wordsOf("  - web").at(-1)).toEqual(["text", "web"]);
  });
});

describe("a trace", () => {
  const span = (more: Partial<Span>): Span => ({
    spanId: "a",
    parentId: null,
    service: "web",
    operation: "GET /",
    kind: "server",
    start: 0,
    duration: 1,
    status: "ok",
    tags: {},
    pod: "web-x",
    namespace: "shop",
    source: "proxy",
    ...more,
  });

  it("puts children below their parents, in order, and says what share each took", () => {
    const bars = waterfall([
      span({ spanId: "c", parentId: "a", start: 0.5, duration: 0.25, status: "error" }),
      span({ spanId: "a" }),
      span({ spanId: "b", parentId: "a", start: 0.25, duration: 0.125 }),
    ]);
    expect(
      bars.map((bar) => [bar.span.spanId, bar.depth, bar.left, bar.width, bar.failed]),
    ).toEqual([
      ["a", 0, 0, 1, false],
      ["b", 1, 0.25, 0.125, false],
      ["c", 1, 0.5, 0.25, true],
    ]);
  });

  it("loses no span whose parent is not there, or is itself", () => {
    const bars = waterfall([
      span({ spanId: "a", parentId: "gone" }),
      span({ spanId: "b", parentId: "c" }),
      span({ spanId: "c", parentId: "b", tags: { "http.status_code": "503" } }),
    ]);
    expect(bars.map((bar) => bar.span.spanId).sort()).toEqual(["a", "b", "c"]);
    expect(bars.find((bar) => bar.span.spanId === "c")?.failed).toBe(true);
  });
});

describe("a proxy's configuration", () => {
  const lateen = {
    filter_metadata: {
      lateen: { origin: "VirtualService shop/web spec.http[0]", place: "vs.yaml:9" },
    },
  };
  const config = proxyConfig({
    configs: [
      {
        "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
        dynamic_route_configs: [
          {
            route_config: {
              name: "80",
              virtual_hosts: [
                {
                  name: "web.shop.svc.cluster.local:80",
                  domains: ["web"],
                  routes: [
                    {
                      match: {
                        prefix: "/",
                        headers: [{ name: "x-a", string_match: { exact: "1" } }],
                      },
                      route: {
                        weighted_clusters: {
                          clusters: [
                            { name: "outbound|80|v1|web.shop.svc.cluster.local", weight: 3 },
                            { name: "outbound|80|v2|web.shop.svc.cluster.local", weight: 1 },
                          ],
                        },
                        timeout: "2s",
                      },
                      metadata: lateen,
                    },
                    { match: { path: "/old" }, redirect: { path_redirect: "/" } },
                  ],
                },
              ],
            },
          },
        ],
      },
      {
        "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
        dynamic_listeners: [
          {
            active_state: {
              listener: {
                name: "0.0.0.0_80",
                address: { socket_address: { address: "0.0.0.0", port_value: 80 } },
                filter_chains: [
                  { filters: [{ typed_config: { rds: { route_config_name: "80" } } }] },
                ],
              },
            },
          },
        ],
      },
      {
        "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
        dynamic_active_clusters: [{ cluster: { name: "outbound|80||web", type: "EDS" } }],
      },
      {
        "@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump",
        dynamic_endpoint_configs: [
          {
            endpoint_config: {
              cluster_name: "outbound|80||web",
              endpoints: [
                {
                  lb_endpoints: [
                    {
                      endpoint: {
                        address: { socket_address: { address: "198.18.0.2", port_value: 80 } },
                      },
                      health_status: "UNHEALTHY",
                    },
                  ],
                },
              ],
            },
          },
        ],
      },
    ],
  });

  it("says which route leads where, how much of it, and who made it", () => {
    expect(config.routes[0]).toMatchObject({
      table: "80",
      match: "everything, x-a exact 1",
      leads:
        "outbound|80|v1|web.shop.svc.cluster.local 75 %, outbound|80|v2|web.shop.svc.cluster.local 25 %",
      extras: ["timeout 2s"],
      origin: "VirtualService shop/web spec.http[0]",
      place: "vs.yaml:9",
    });
    expect(config.routes[1]?.leads).toContain("redirect");
  });

  it("joins listeners to tables and clusters to endpoints", () => {
    expect(config.listeners[0]).toMatchObject({ address: "0.0.0.0:80", leads: { table: "80" } });
    expect(config.clusters[0]?.endpoints).toEqual([
      { address: "198.18.0.2:80", health: "unhealthy", weight: 1, locality: "" },
    ]);
  });
});
