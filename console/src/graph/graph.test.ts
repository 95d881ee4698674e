import { describe, expect, it } from "vitest";
import type { Edge, Overview, OverviewPod, Service } from "../data/types";
import { type Flow, Meter, WINDOW } from "./flows";
import { beginning, flowsOf, NOTHING } from "./history";
import { treeOf } from "./layout";
import { graphOf, healthOf, narrowed, OUTSIDE } from "./model";
import { along, curve } from "./scene";

const edge = (more: Partial<Edge>): Edge => ({
  source: "web",
  source_namespace: "shop",
  destination: "reviews-v1",
  destination_namespace: "shop",
  version: "v1",
  requests: 0,
  errors: 0,
  tries: 0,
  tries_failed: 0,
  mutual: 0,
  plain: 0,
  connections: 0,
  milliseconds: null,
  ...more,
});

const pod = (workload: string, app: string, more: Partial<OverviewPod> = {}): OverviewPod => ({
  namespace: "shop",
  name: `${workload}-x`,
  workload,
  version: "",
  node: "lateen",
  ready: 2,
  total: 2,
  state: "Running",
  restarts: 0,
  address: "198.18.0.2",
  age: 60,
  since: 0,
  labels: { app },
  message: "",
  done: false,
  ...more,
});

const service = (name: string, app: string): Service => ({
  namespace: "shop",
  name,
  host: `${name}.shop.svc.cluster.local`,
  type: "ClusterIP",
  address: "198.19.0.2",
  ports: [],
  selector: { app },
  ready: 1,
  endpoints: 1,
  routes: [],
});

const flow = (more: Partial<Flow>): Flow => ({
  source: "web",
  sourceNamespace: "shop",
  destination: "reviews-v1",
  destinationNamespace: "shop",
  version: "v1",
  rate: 10,
  errors: 0,
  hidden: 0,
  p95: null,
  connections: 0,
  locked: true,
  failingSince: null,
  ...more,
});

const SHOP: Overview = {
  revision: 1,
  pods: [pod("web", "web"), pod("reviews-v1", "reviews"), pod("reviews-v2", "reviews")],
  services: [service("web", "web"), service("reviews", "reviews")],
  routes: [],
  counts: {},
};

describe("a meter", () => {
  it("knows no rate at first, then that of the last seconds", () => {
    const meter = new Meter();
    expect(meter.take([edge({ requests: 100 })], 10)[0]?.rate).toBe(0);
    expect(meter.take([edge({ requests: 120, errors: 5 })], 12)[0]).toMatchObject({
      rate: 10,
      errors: 0.25,
    });
  });

  it("forgets what is older than its window", () => {
    const meter = new Meter();
    meter.take([edge({ requests: 0 })], 0);
    meter.take([edge({ requests: 60 })], WINDOW);
    expect(meter.take([edge({ requests: 60 })], 2 * WINDOW)[0]?.rate).toBe(0);
  });

  it("takes the last look there is when looks are far apart", () => {
    const meter = new Meter();
    meter.take([edge({ requests: 0 })], 0);
    expect(meter.take([edge({ requests: 60 })], 30)[0]?.rate).toBe(2);
  });

  it("takes a counter that fell for one that began anew", () => {
    const meter = new Meter();
    meter.take([edge({ requests: 100 })], 0);
    expect(meter.take([edge({ requests: 8 })], 2)[0]?.rate).toBe(4);
  });

  it("sees the failures that retries hide from the caller, and no others", () => {
    const meter = new Meter();
    meter.take([edge({})], 0);
    const retried = edge({ requests: 10, tries: 25, tries_failed: 15 });
    const told = meter.take([retried], 2)[0];
    expect(told).toMatchObject({ errors: 0, hidden: 0.6 });
    expect(told?.failingSince).not.toBeNull();
    const seen = edge({ requests: 20, errors: 5, tries: 35, tries_failed: 20 });
    expect(new Meter().take([seen], 0)[0]?.hidden).toBe(0);
    expect(graphOf(SHOP, [flow({ hidden: 0.6 })]).links[0]?.health).toBe("warn");
  });

  it("locks a link while all that arrives comes over mTLS, whoever's counters begin anew", () => {
    const meter = new Meter();
    expect(meter.take([edge({ requests: 100, mutual: 40 })], 0)[0]?.locked).toBe(true);
    expect(meter.take([edge({ requests: 120, mutual: 60, plain: 1 })], 2)[0]?.locked).toBe(false);
    expect(meter.take([edge({ requests: 1, connections: 3 })], 3)[0]?.locked).toBe(false);
  });

  it("counts an edge that was not there before from nothing", () => {
    const meter = new Meter();
    meter.take([], 0);
    expect(meter.take([edge({ requests: 6 })], 2)[0]?.rate).toBe(3);
  });
});

describe("the graph", () => {
  it("has a card for each service, with its versions as rows", () => {
    const { cards } = graphOf(SHOP, []);
    expect(cards.map((card) => [card.name, card.rows.map((row) => row.workload)])).toEqual([
      ["reviews", ["reviews-v1", "reviews-v2"]],
      ["web", ["web"]],
    ]);
  });

  it("puts a workload of two services on the wider one only", () => {
    const more = { ...SHOP, services: [service("a-alias", "web"), ...SHOP.services] };
    expect(graphOf(more, []).cards.flatMap((card) => card.rows)).toHaveLength(3);
  });

  it("shows callers and hosts outside, once each", () => {
    const { cards, links } = graphOf(SHOP, [
      flow({ source: "unknown", sourceNamespace: "unknown", destination: "web" }),
      flow({ source: "web", destination: "api.example.com", destinationNamespace: "unknown" }),
      flow({
        source: "reviews-v1",
        destination: "api.example.com",
        destinationNamespace: "unknown",
      }),
    ]);
    const outside = cards.filter((card) => card.namespace === OUTSIDE).map((card) => card.name);
    expect(outside.sort()).toEqual(["api.example.com", "callers outside"]);
    expect(links).toHaveLength(3);
  });

  it("shows a request that reached no pod at the service it was for", () => {
    const lost = flow({ destination: "reviews.shop.svc.cluster.local", errors: 1 });
    const { cards, links } = graphOf(SHOP, [lost]);
    const card = cards.find((each) => each.name === "reviews");
    expect(card?.rows.map((row) => [row.workload, row.health])).toContainEqual(["", "bad"]);
    expect(card?.health).toBe("bad");
    expect(links).toHaveLength(1);
  });

  it("judges a workload by what fails on its way in and by its pods", () => {
    const sick = { ...SHOP, pods: [...SHOP.pods, pod("web", "web", { name: "web-y", ready: 1 })] };
    const { cards } = graphOf(sick, [flow({ errors: 0.2 })]);
    const health = Object.fromEntries(cards.map((card) => [card.name, card.health]));
    expect(health).toEqual({ reviews: "bad", web: "warn" });
    expect([healthOf(0, 1), healthOf(1, 0), healthOf(1, 0.01), healthOf(1, 0.05)]).toEqual([
      "idle",
      "good",
      "warn",
      "bad",
    ]);
  });

  it("locks a link by what flows now, not by a version that is gone", () => {
    const gone = flow({ version: "v1", rate: 0, locked: false });
    const { links } = graphOf(SHOP, [gone, flow({ version: "v2" })]);
    expect(links.map((link) => link.flow.locked)).toEqual([true]);
    const plain = flow({ version: "v2", locked: false });
    expect(graphOf(SHOP, [flow({}), plain]).links[0]?.flow.locked).toBe(false);
  });

  it("can be narrowed to a card and whom it speaks with", () => {
    const graph = graphOf(SHOP, [flow({}), flow({ destination: "reviews-v2", rate: 0 })]);
    const shown = narrowed(graph, { namespace: "", text: "web", focus: "", quiet: false });
    expect(shown.links).toHaveLength(1);
    expect(shown.cards.map((card) => card.name)).toEqual(["reviews", "web"]);
    expect(
      narrowed(graph, { namespace: "none", text: "", focus: "", quiet: true }).cards,
    ).toHaveLength(0);
  });
});

describe("the past", () => {
  it("is put together from several answers", () => {
    const labels = {
      source_workload: "web",
      source_workload_namespace: "shop",
      destination_workload: "reviews-v1",
      destination_workload_namespace: "shop",
      destination_version: "v1",
    };
    const one = (value: number) => [{ labels, points: [[0, value] as [number, number]] }];
    const lost = { ...labels, destination_workload: "unknown", destination_version: "unknown" };
    const host = "reviews.shop.svc.cluster.local";
    expect(
      flowsOf({
        ...NOTHING,
        rate: [{ labels: { ...lost, destination_service: host }, points: [[0, 1]] }],
      })[0]?.destination,
    ).toBe(host);
    expect(flowsOf({ ...NOTHING, rate: [...one(4), ...one(4)] })[0]?.rate).toBe(8);
    expect(
      flowsOf({
        ...NOTHING,
        rate: one(8),
        errors: one(2),
        p95: one(45),
        tried: one(8),
        triedBad: one(2),
        locked: one(8),
      }),
    ).toEqual([flow({ rate: 8, errors: 0.25, p95: 45 })]);
    const retried = { ...NOTHING, rate: one(8), tried: one(20), triedBad: one(12) };
    expect(flowsOf(retried)[0]).toMatchObject({ errors: 0, hidden: 0.6, locked: false });
    expect(flowsOf({ ...NOTHING, tcp: one(2), lockedTcp: one(2) })[0]?.locked).toBe(true);
  });
});

describe("since when something fails", () => {
  it("is the beginning of the last unbroken run of failures", () => {
    const points = (values: number[]) => values.map((v, i): [number, number] => [i * 30, v]);
    expect(beginning(points([0, 1, 1]))).toBe(30);
    expect(beginning(points([1, 0, 1, 2]))).toBe(60);
    expect(beginning(points([1, 1, 0]))).toBeNull();
    expect(beginning([])).toBeNull();
    expect(
      beginning([
        [0, 1],
        [600, 1],
      ]),
    ).toBe(600);
  });
});

describe("a line", () => {
  it("is rounded, begins and ends where it should, and can be followed", () => {
    const points = curve([
      { x: 0, y: 0 },
      { x: 10, y: 0 },
      { x: 10, y: 10 },
    ]);
    expect([points[0], points.at(-1)]).toEqual([
      { x: 0, y: 0 },
      { x: 10, y: 10 },
    ]);
    const middle = along(points, 0.5);
    expect(middle.x).toBeGreaterThan(5);
    expect(middle.y).toBeLessThan(5);
    expect(along([{ x: 1, y: 2 }], 0.5)).toEqual({ x: 1, y: 2 });
  });
});

describe("the layout's input", () => {
  it("keeps links among boxes together, and each box by itself once there are many", () => {
    const few = treeOf(graphOf(SHOP, [flow({})]));
    expect(few.edges).toHaveLength(1);
    expect(few.children?.[0]?.layoutOptions?.["elk.algorithm"]).toBeUndefined();
    const pods = Array.from({ length: 25 }, (_, i) => pod(`w${i}`, `w${i}`));
    const all = pods.flatMap((a) =>
      pods.slice(0, 10).map((b) => flow({ source: a.workload, destination: b.workload })),
    );
    const many = treeOf(graphOf({ ...SHOP, pods, services: [] }, all));
    expect(many.edges).toHaveLength(0);
    expect(many.children?.[0]?.edges).toHaveLength(250);
  });
});
