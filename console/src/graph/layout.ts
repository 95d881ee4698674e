// Where cards, boxes and links lie; a worker finds that out, so that the page stays quick.
import ELK, { type ElkExtendedEdge, type ElkNode } from "elkjs/lib/elk-api";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import { type Card, type Graph, OUTSIDE, rowName } from "./model";

export const CARD = { width: 178, widest: 270, head: 40, row: 28, foot: 8 } as const;

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point {
  width: number;
  height: number;
}

export interface Layout {
  width: number;
  height: number;
  cards: Map<string, Box>;
  boxes: Map<string, Box>; // by namespace
  paths: Map<string, Point[]>; // by link
}

export const cardHeight = (card: Card): number =>
  CARD.head + card.rows.length * CARD.row + CARD.foot;

/** As wide as its names need, within bounds. */
export function cardWidth(card: Card): number {
  const name = 50 + NAME * card.name.length;
  const rows = card.rows.map((row) => FIGURES + ROW * rowName(card, row).length);
  return Math.min(CARD.widest, Math.ceil(Math.max(CARD.width, name, ...rows)));
}

const NAME = 9.8; // scene units that a letter of a card's name takes, and of a row's
const ROW = 8;
const FIGURES = 125; // of a row's signs, rate and pods

/** The middle of a row, measured from the top of its card. */
export const rowMiddle = (index: number): number => CARD.head + index * CARD.row + CARD.row / 2;

/** What the layout depends on: the same text, the same layout. */
export const shapeOf = (graph: Graph): string =>
  JSON.stringify([
    graph.cards.map((card) => [card.id, card.rows.map((row) => row.id)]),
    graph.links.map((link) => link.id),
  ]);

const SPACES = {
  "elk.spacing.nodeNode": "30",
  "elk.spacing.edgeNode": "18",
  "elk.spacing.edgeEdge": "8",
  "elk.layered.spacing.nodeNodeBetweenLayers": "120",
  "elk.layered.spacing.edgeNodeBetweenLayers": "20",
};
const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "POLYLINE",
  "elk.json.edgeCoords": "ROOT",
  "elk.json.shapeCoords": "ROOT",
  ...SPACES,
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
  "elk.separateConnectedComponents": "true",
  "elk.aspectRatio": "1.7",
};
const MANY = 200; // links from which each box is laid out for itself, and the boxes are packed
const PACKED = {
  "elk.algorithm": "rectpacking",
  "elk.hierarchyHandling": "SEPARATE_CHILDREN",
  "elk.aspectRatio": "1.9",
  "elk.spacing.nodeNode": "90",
  "elk.json.edgeCoords": "ROOT",
  "elk.json.shapeCoords": "ROOT",
};

let elk: InstanceType<typeof ELK> | undefined;

/** Lay a graph out, left to right along its calls. */
export async function laidOut(graph: Graph): Promise<Layout> {
  elk ??= new ELK({ workerUrl });
  return layoutOf(await elk.layout(treeOf(graph)));
}

/** The graph in the layouter's terms: namespaces hold cards, cards have two ports for each row. */
export function treeOf(graph: Graph): ElkNode {
  const home = new Map(graph.cards.flatMap((c) => c.rows.map((row) => [row.id, c.namespace])));
  const apart = graph.links.length > MANY;
  const within = new Map<string, ElkExtendedEdge[]>();
  const edges: ElkExtendedEdge[] = [];
  for (const link of graph.links) {
    const edge = { id: link.id, sources: [`out:${link.from}`], targets: [`in:${link.to}`] };
    const from = home.get(link.from) ?? OUTSIDE;
    if (!apart) edges.push(edge);
    else if (from !== OUTSIDE && from === home.get(link.to)) {
      within.set(from, [...(within.get(from) ?? []), edge]);
    }
  }
  const children = childrenOf(graph.cards, within, apart);
  return { id: "root", layoutOptions: apart ? PACKED : OPTIONS, children, edges };
}

function childrenOf(
  cards: readonly Card[],
  within: Map<string, ElkExtendedEdge[]>,
  apart: boolean,
): ElkNode[] {
  const byNamespace = new Map<string, Card[]>();
  for (const card of cards) {
    byNamespace.set(card.namespace, [...(byNamespace.get(card.namespace) ?? []), card]);
  }
  return [...byNamespace].sort().flatMap(([namespace, own]) => {
    const nodes = own.map(nodeOf);
    if (namespace === OUTSIDE) return nodes;
    const edges = within.get(namespace) ?? [];
    const way = edges.length > 0 ? OPTIONS : PACKED;
    const layoutOptions = apart ? { ...way, ...BOX } : BOX;
    return [{ id: `box:${namespace}`, layoutOptions, children: nodes, edges }];
  });
}

const BOX = { ...SPACES, "elk.padding": "[top=44,left=20,bottom=20,right=20]" };

function nodeOf(card: Card): ElkNode {
  return {
    id: card.id,
    width: cardWidth(card),
    height: cardHeight(card),
    layoutOptions: { "elk.portConstraints": "FIXED_POS" },
    ports: card.rows.flatMap((row, index) => [
      portOf(`in:${row.id}`, "WEST", 0, index),
      portOf(`out:${row.id}`, "EAST", cardWidth(card), index),
    ]),
  };
}

const portOf = (id: string, side: string, x: number, index: number) => ({
  id,
  x,
  y: rowMiddle(index),
  width: 0,
  height: 0,
  layoutOptions: { "elk.port.side": side },
});

function layoutOf(root: ElkNode): Layout {
  const layout: Layout = {
    width: root.width ?? 0,
    height: root.height ?? 0,
    cards: new Map(),
    boxes: new Map(),
    paths: new Map(),
  };
  takeEdges(root, layout);
  for (const child of root.children ?? []) {
    if (!child.id.startsWith("box:")) {
      layout.cards.set(child.id, boxOf(child));
      continue;
    }
    layout.boxes.set(child.id.slice(4), boxOf(child));
    for (const node of child.children ?? []) layout.cards.set(node.id, boxOf(node));
    takeEdges(child, layout);
  }
  return layout;
}

function takeEdges(node: ElkNode, layout: Layout): void {
  for (const edge of node.edges ?? []) {
    const points = (edge.sections ?? []).flatMap((s) => [
      s.startPoint,
      ...(s.bendPoints ?? []),
      s.endPoint,
    ]);
    if (points.length > 1) layout.paths.set(edge.id, points);
  }
}

const boxOf = (node: ElkNode): Box => ({
  x: node.x ?? 0,
  y: node.y ?? 0,
  width: node.width ?? 0,
  height: node.height ?? 0,
});
