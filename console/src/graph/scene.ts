// What is drawn where: the graph and its layout joined, with curves, and what lies under a point.
import { type Box, CARD, type Layout, type Point, rowMiddle } from "./layout";
import type { Card, Graph, Link, Row } from "./model";

export interface Line {
  link: Link;
  points: Point[];
  direct: boolean; // drawn straight across, because the layout has no way for it
  path: Path2D;
  box: Box;
}

export interface Placed {
  card: Card;
  box: Box;
}

export interface Scene {
  width: number;
  height: number;
  boxes: { namespace: string; box: Box }[];
  cards: Placed[];
  lines: Line[];
}

/** Put the newest figures where the layout says; what it does not know yet is left out. */
export function sceneOf(graph: Graph, layout: Layout): Scene {
  const cards = graph.cards.flatMap((card) => {
    const box = layout.cards.get(card.id);
    return box ? [{ card, box }] : [];
  });
  const ends = portsOf(cards);
  const lines = graph.links.flatMap((link) => {
    const from = ends.get(link.from);
    const to = ends.get(link.to);
    if (!from || !to) return [];
    const way = layout.paths.get(link.id);
    const points = curve(way ?? direct(from.out, to.in));
    const path = new Path2D();
    points.forEach((p, i) => {
      if (i === 0) path.moveTo(p.x, p.y);
      else path.lineTo(p.x, p.y);
    });
    return [{ link, points, direct: way === undefined, path, box: around(points) }];
  });
  const boxes = [...layout.boxes].map(([namespace, box]) => ({ namespace, box }));
  return { width: layout.width, height: layout.height, boxes, cards, lines };
}

function portsOf(cards: readonly Placed[]): Map<string, { in: Point; out: Point }> {
  const ports = new Map<string, { in: Point; out: Point }>();
  for (const { card, box } of cards) {
    card.rows.forEach((row, index) => {
      const y = box.y + rowMiddle(index);
      ports.set(row.id, { in: { x: box.x, y }, out: { x: box.x + CARD.width, y } });
    });
  }
  return ports;
}

/** The four corners of a way that leaves to the right and comes in from the left. */
function direct(from: Point, to: Point): Point[] {
  const bend = Math.max(40, Math.min(260, Math.abs(to.x - from.x) / 3));
  return [from, { x: from.x + bend, y: from.y }, { x: to.x - bend, y: to.y }, to];
}

const STEPS = 8; // pieces of each rounded corner

/** A polyline with its corners rounded: straight pieces short enough to look like a curve. */
export function curve(points: readonly Point[]): Point[] {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || points.length < 3) return [...points];
  const made: Point[] = [first];
  let from = first;
  for (let i = 1; i < points.length - 1; i++) {
    const corner = points[i] as Point;
    const next = points[i + 1] as Point;
    const to = i === points.length - 2 ? next : half(corner, next);
    for (let step = 1; step <= STEPS; step++) made.push(bent(from, corner, to, step / STEPS));
    from = to;
  }
  return made;
}

const half = (a: Point, b: Point): Point => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });

function bent(from: Point, corner: Point, to: Point, t: number): Point {
  const [a, b, c] = [(1 - t) * (1 - t), 2 * t * (1 - t), t * t];
  return { x: a * from.x + b * corner.x + c * to.x, y: a * from.y + b * corner.y + c * to.y };
}

/** The point at that share (0 to 1) of a line's length. */
export function along(points: readonly Point[], part: number): Point {
  const lengths = points.slice(1).map((p, i) => distance(points[i] as Point, p));
  let left = lengths.reduce((a, b) => a + b, 0) * part;
  for (const [i, length] of lengths.entries()) {
    const [a, b] = [points[i] as Point, points[i + 1] as Point];
    if (left <= length && length > 0) {
      return { x: a.x + ((b.x - a.x) * left) / length, y: a.y + ((b.y - a.y) * left) / length };
    }
    left -= length;
  }
  return points.at(-1) ?? { x: 0, y: 0 };
}

const distance = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y);

function around(points: readonly Point[]): Box {
  const xs = points.map((p) => p.x);
  const ys = points.map((p) => p.y);
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

export type Hit =
  | { kind: "card"; card: Card; row: Row | null; box: Box }
  | { kind: "line"; line: Line }
  | null;

/** What lies under a point of the scene; lines are taken within `reach`. */
export function hitAt(scene: Scene, at: Point, reach: number): Hit {
  for (const { card, box } of scene.cards) {
    if (!inside(box, at, 0)) continue;
    const index = Math.floor((at.y - box.y - CARD.head) / CARD.row);
    return { kind: "card", card, row: card.rows[index] ?? null, box };
  }
  let best: { line: Line; far: number } | null = null;
  for (const line of scene.lines) {
    if (!inside(line.box, at, reach)) continue;
    const far = farFrom(line.points, at);
    if (far <= reach && (!best || far < best.far)) best = { line, far };
  }
  return best ? { kind: "line", line: best.line } : null;
}

const inside = (box: Box, at: Point, reach: number): boolean =>
  at.x >= box.x - reach &&
  at.y >= box.y - reach &&
  at.x <= box.x + box.width + reach &&
  at.y <= box.y + box.height + reach;

function farFrom(points: readonly Point[], at: Point): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 1; i < points.length; i++) {
    best = Math.min(best, farFromPiece(points[i - 1] as Point, points[i] as Point, at));
  }
  return best;
}

function farFromPiece(a: Point, b: Point, at: Point): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const t = length ? Math.max(0, Math.min(1, ((at.x - a.x) * dx + (at.y - a.y) * dy) / length)) : 0;
  return Math.hypot(at.x - a.x - t * dx, at.y - a.y - t * dy);
}
