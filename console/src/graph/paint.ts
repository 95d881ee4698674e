// Paint a scene on a canvas: coarse from afar, with words near by.
import { rate, share, time } from "../data/words";
import { type Box, CARD, type Point, rowMiddle } from "./layout";
import { type Card, type Health, type Link, type Row, rowName } from "./model";
import { along, type Line, type Placed, type Scene } from "./scene";

export interface Camera {
  x: number; // the scene's point at the view's upper left corner
  y: number;
  zoom: number;
}

export interface Palette {
  back: string;
  card: string;
  line: string;
  text: string;
  soft: string;
  faint: string;
  box: string;
  accent: string;
  health: Record<Health, string>;
  sans: string;
}

export interface Chosen {
  card: string; // ids of what is chosen or pointed at; "" for none
  link: string;
}

const WORDS_FROM = 0.42; // zoom from which cards have words
const LABELS_FROM = 0.34; // and links their figures
const FAR_LETTERS = 10.5; // CSS pixels that a card's name has from afar, if it fits
const LABEL = 10.5; // CSS pixels, also where the rest is smaller

/** The colours of the page's theme, for a canvas cannot see the style sheet by itself. */
export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    back: of("bg"),
    card: of("card"),
    line: of("line"),
    text: of("text"),
    soft: of("soft"),
    faint: of("faint"),
    box: of("box"),
    accent: of("accent"),
    health: { good: of("ok-line"), warn: of("warn-line"), bad: of("bad-line"), idle: of("idle") },
    sans: style.fontFamily,
  };
}

/** Everything that stays while nothing happens; `size` in CSS pixels. Gives the places of labels. */
export function paintScene(
  ctx: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  size: { width: number; height: number },
  palette: Palette,
  chosen: Chosen,
): Box[] {
  const seen: Box = {
    x: camera.x,
    y: camera.y,
    width: size.width / camera.zoom,
    height: size.height / camera.zoom,
  };
  ctx.save();
  ctx.fillStyle = palette.back;
  ctx.fillRect(0, 0, size.width, size.height);
  ctx.scale(camera.zoom, camera.zoom);
  ctx.translate(-camera.x, -camera.y);
  for (const { namespace, box } of scene.boxes) {
    if (meets(box, seen)) paintBox(ctx, namespace, box, palette, camera.zoom);
  }
  const near = relatedTo(scene, chosen);
  for (const line of scene.lines) {
    if (meets(line.box, seen)) paintLine(ctx, line, palette, camera.zoom, near);
  }
  for (const placed of scene.cards) {
    if (!meets(placed.box, seen)) continue;
    ctx.globalAlpha = near && !near.cards.has(placed.card.id) ? 0.3 : 1;
    paintCard(ctx, placed, palette, camera.zoom, placed.card.id === chosen.card);
    ctx.globalAlpha = 1;
  }
  const labels = paintLabels(ctx, scene, seen, camera.zoom, palette, near);
  ctx.restore();
  return labels;
}

interface Near {
  cards: Set<string>;
  links: Set<string>;
}

/** What is chosen and what it speaks with; null when nothing is. */
function relatedTo(scene: Scene, chosen: Chosen): Near | null {
  if (!chosen.card && !chosen.link) return null;
  const cardOf = new Map(scene.cards.flatMap(({ card }) => card.rows.map((r) => [r.id, card.id])));
  const near: Near = { cards: new Set(chosen.card ? [chosen.card] : []), links: new Set() };
  for (const { link } of scene.lines) {
    const ends = [cardOf.get(link.from) ?? "", cardOf.get(link.to) ?? ""];
    if (link.id !== chosen.link && !ends.includes(chosen.card)) continue;
    near.links.add(link.id);
    for (const end of ends) near.cards.add(end);
  }
  return near;
}

const meets = (a: Box, b: Box): boolean =>
  a.x <= b.x + b.width && b.x <= a.x + a.width && a.y <= b.y + b.height && b.y <= a.y + a.height;

function paintBox(
  ctx: CanvasRenderingContext2D,
  namespace: string,
  box: Box,
  palette: Palette,
  zoom: number,
): void {
  ctx.beginPath();
  ctx.roundRect(box.x, box.y, box.width, box.height, 14);
  ctx.fillStyle = palette.box;
  ctx.fill();
  ctx.strokeStyle = palette.line;
  ctx.lineWidth = 1 / Math.min(1, zoom);
  ctx.stroke();
  const size = Math.min(box.width / 7, Math.max(14, 12 / zoom));
  ctx.font = `600 ${size}px ${palette.sans}`;
  ctx.fillStyle = palette.soft;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  const y = size > 30 ? box.y - size * 0.6 : box.y + 12 + size / 2;
  ctx.fillText(namespace, box.x + 16, y, box.width - 32);
}

/** How thick a link is: by the logarithm of its rate. */
export const widthOf = (link: Link): number =>
  1.3 + Math.min(4, 1.1 * Math.log10(1 + link.flow.rate + link.flow.connections));

/** How strongly a link shows: from afar those across boxes stand back behind those within. */
function weightOf({ link, direct }: Line, zoom: number): number {
  if (direct && zoom < WORDS_FROM) return link.health === "bad" ? 0.5 : 0.22;
  return link.health === "idle" ? 0.75 : 1;
}

function paintLine(
  ctx: CanvasRenderingContext2D,
  line: Line,
  palette: Palette,
  zoom: number,
  near: Near | null,
): void {
  const { link } = line;
  const chosen = near?.links.has(link.id);
  ctx.globalAlpha = near && !chosen ? 0.12 : weightOf(line, zoom);
  ctx.strokeStyle = palette.health[link.health];
  ctx.lineWidth = Math.max(widthOf(link), 0.9 / zoom) + (chosen ? 0.8 : 0);
  ctx.setLineDash(link.health === "idle" ? [5, 5] : []);
  ctx.stroke(line.path);
  ctx.setLineDash([]);
  if (zoom >= 0.3) paintTip(ctx, line, palette.health[link.health]);
  ctx.globalAlpha = 1;
}

function paintTip(ctx: CanvasRenderingContext2D, line: Line, colour: string): void {
  const end = line.points.at(-1);
  if (!end) return;
  const long = 7 + widthOf(line.link);
  ctx.beginPath();
  ctx.moveTo(end.x + 1, end.y);
  ctx.lineTo(end.x - long, end.y - long * 0.55);
  ctx.lineTo(end.x - long, end.y + long * 0.55);
  ctx.closePath();
  ctx.fillStyle = colour;
  ctx.fill();
}

function paintCard(
  ctx: CanvasRenderingContext2D,
  { card, box }: Placed,
  palette: Palette,
  zoom: number,
  chosen: boolean,
): void {
  ctx.beginPath();
  ctx.roundRect(box.x, box.y, box.width, box.height, 9);
  ctx.fillStyle = palette.card;
  ctx.fill();
  ctx.lineWidth = (chosen ? 2.5 : 1.2) / Math.min(1, zoom);
  ctx.strokeStyle = chosen ? palette.accent : frameOf(card, palette);
  if (card.kind === "outside") ctx.setLineDash([4, 3]);
  ctx.stroke();
  ctx.setLineDash([]);
  if (zoom < WORDS_FROM) {
    paintFar(ctx, card, box, palette, Math.max(20, Math.min(26, FAR_LETTERS / zoom)));
    return;
  }
  paintSign(ctx, card, box.x + 13, box.y + CARD.head / 2, palette);
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.font = `600 16px ${palette.sans}`;
  ctx.fillStyle = palette.text;
  ctx.fillText(clipped(ctx, card.name, box.width - 46), box.x + 34, box.y + CARD.head / 2 + 1);
  ctx.fillStyle = palette.line;
  ctx.fillRect(box.x + 10, box.y + CARD.head - 2, box.width - 20, 1);
  card.rows.forEach((row, index) => {
    const at = { x: box.x, y: box.y + rowMiddle(index) + 1 };
    paintRow(ctx, rowName(card, row), row, at, box.width, palette);
  });
}

const frameOf = (card: Card, palette: Palette): string =>
  card.health === "bad" || card.health === "warn" ? palette.health[card.health] : palette.line;

/** From afar a card is one block in its colour, with its name as large as fits. */
function paintFar(
  ctx: CanvasRenderingContext2D,
  card: Card,
  box: Box,
  palette: Palette,
  letters: number,
): void {
  ctx.fillStyle = palette.health[card.health];
  ctx.beginPath();
  ctx.roundRect(box.x + 8, box.y + 8, 10, box.height - 16, 5);
  ctx.fill();
  ctx.font = `600 ${letters}px ${palette.sans}`;
  ctx.fillStyle = palette.text;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.fillText(clipped(ctx, card.name, box.width - 38), box.x + 28, box.y + box.height / 2);
}

function paintSign(
  ctx: CanvasRenderingContext2D,
  card: Card,
  x: number,
  y: number,
  palette: Palette,
): void {
  ctx.fillStyle = palette.accent;
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 1.6;
  ctx.beginPath();
  switch (card.kind) {
    case "gateway": // a sail
      ctx.moveTo(x + 8, y - 7);
      ctx.lineTo(x + 8, y + 6);
      ctx.lineTo(x, y + 6);
      ctx.closePath();
      ctx.moveTo(x + 10, y - 4);
      ctx.lineTo(x + 13, y + 6);
      ctx.lineTo(x + 10, y + 6);
      ctx.closePath();
      ctx.fill();
      return;
    case "service": // a diamond
      ctx.moveTo(x + 6, y - 6);
      ctx.lineTo(x + 12, y);
      ctx.lineTo(x + 6, y + 6);
      ctx.lineTo(x, y);
      ctx.closePath();
      ctx.fill();
      return;
    case "workload": // a block
      ctx.roundRect(x + 1, y - 5, 10, 10, 2);
      ctx.stroke();
      return;
    case "outside": // a globe
      ctx.arc(x + 6, y, 6, 0, 7);
      ctx.moveTo(x, y);
      ctx.lineTo(x + 12, y);
      ctx.moveTo(x + 9, y);
      ctx.ellipse(x + 6, y, 3, 6, 0, 0, 7);
      ctx.stroke();
      return;
  }
}

function paintRow(
  ctx: CanvasRenderingContext2D,
  name: string,
  row: Row,
  at: Point,
  width: number,
  palette: Palette,
): void {
  ctx.beginPath();
  ctx.arc(at.x + 19, at.y - 1, 4.5, 0, 7);
  ctx.fillStyle = palette.health[row.health];
  ctx.fill();
  ctx.font = `14px ${palette.sans}`;
  ctx.textAlign = "right";
  ctx.fillStyle = palette.soft;
  const pods = row.pods ? `${row.ready}/${row.pods}` : "";
  const right = row.rate > 0 ? `${rate(row.rate)}${pods ? `  ${pods}` : ""}` : pods;
  ctx.fillText(right, at.x + width - 12, at.y);
  const room = width - 54 - ctx.measureText(right).width;
  ctx.textAlign = "left";
  ctx.fillStyle = palette.text;
  ctx.fillText(clipped(ctx, name, room), at.x + 34, at.y);
}

const cutTo = new Map<string, string>();

function clipped(ctx: CanvasRenderingContext2D, text: string, room: number): string {
  const key = `${ctx.font}|${Math.round(room)}|${text}`;
  const known = cutTo.get(key);
  if (known !== undefined) return known;
  let cut = text;
  while (cut.length > 1 && ctx.measureText(cut === text ? cut : `${cut}…`).width > room) {
    cut = cut.slice(0, -1);
  }
  const made = cut === text ? text : `${cut}…`;
  if (cutTo.size > 4000) cutTo.clear();
  cutTo.set(key, made);
  return made;
}

/** What a link says of itself. */
export function labelOf(link: Link): string {
  const { flow } = link;
  const words: string[] = [];
  if (flow.rate > 0) {
    words.push(rate(flow.rate));
    if (flow.errors > 0) words.push(`${share(flow.errors)} errors`);
    if (flow.hidden > 0) words.push(`${share(flow.hidden)} retried`);
    if (flow.p95 !== null) words.push(time(flow.p95));
  }
  if (flow.connections > 0) words.push(`${rate(flow.connections)} TCP`);
  return words.join(" · ");
}

function paintLabels(
  ctx: CanvasRenderingContext2D,
  scene: Scene,
  seen: Box,
  zoom: number,
  palette: Palette,
  near: Near | null,
): Box[] {
  if (zoom < LABELS_FROM && !near) return [];
  const size = LABEL / Math.min(1, zoom);
  ctx.font = `${size}px ${palette.sans}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  const taken = scene.cards
    .filter(({ card, box }) => meets(box, seen) && (!near || near.cards.has(card.id)))
    .map(({ box }) => box);
  const cards = taken.length;
  for (const line of scene.lines) {
    if (near && !near.links.has(line.link.id)) continue;
    if (meets(line.box, seen)) paintLabel(ctx, line, size, palette, taken);
  }
  return taken.slice(cards);
}

/** What a link says where there is less and less room: how much of it fails, or else how much there is. */
function shortLabelsOf({ flow }: Link): string[] {
  const much = flow.rate + flow.connections > 0 ? rate(flow.rate + flow.connections) : "";
  if (flow.errors <= 0 && flow.hidden <= 0) return [much];
  const part = share(flow.errors || flow.hidden);
  const failing = `${part} ${flow.errors > 0 ? "errors" : "retried"}`;
  return [`${much} · ${failing}`, failing, part];
}

const PLACES = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8]; // along a line, in the order in which they are tried

/** As much as there is room for beside cards and other labels. */
function paintLabel(
  ctx: CanvasRenderingContext2D,
  line: Line,
  size: number,
  palette: Palette,
  taken: Box[],
): void {
  const lock = line.link.flow.locked ? size * 1.15 : 0;
  const height = size * 1.6;
  for (const text of new Set([labelOf(line.link), ...shortLabelsOf(line.link), ""])) {
    if (!text && !lock) return;
    const words = text ? ctx.measureText(text).width + size * 0.9 : size * 0.3;
    for (const part of PLACES) {
      const at = along(line.points, part);
      const width = words + lock;
      const box = { x: at.x - width / 2, y: at.y - height / 2, width, height };
      if (taken.some((other) => meets(other, box))) continue;
      taken.push(box);
      paintWords(ctx, line, text, box, size, palette);
      return;
    }
  }
}

function paintWords(
  ctx: CanvasRenderingContext2D,
  { link }: Line,
  text: string,
  box: Box,
  size: number,
  palette: Palette,
): void {
  const middle = box.y + box.height / 2;
  ctx.beginPath();
  ctx.roundRect(box.x, box.y, box.width, box.height, box.height / 2);
  ctx.fillStyle = palette.card;
  ctx.fill();
  ctx.strokeStyle = link.health === "bad" ? palette.health.bad : palette.line;
  ctx.lineWidth = size / 11;
  ctx.stroke();
  const lock = link.flow.locked ? size * 1.15 : 0;
  if (lock) paintLock(ctx, { x: box.x + size * 0.35, y: middle }, size, palette);
  ctx.fillStyle = palette.text;
  ctx.fillText(text, box.x + size * 0.45 + lock, middle + size * 0.06);
}

function paintLock(ctx: CanvasRenderingContext2D, at: Point, size: number, palette: Palette): void {
  const s = size / 11;
  ctx.fillStyle = palette.accent;
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 1.4 * s;
  ctx.beginPath();
  ctx.arc(at.x + 4 * s, at.y - 1.5 * s, 2.3 * s, Math.PI, 0);
  ctx.stroke();
  ctx.beginPath();
  ctx.roundRect(at.x + 0.6 * s, at.y - 1.2 * s, 6.8 * s, 5.2 * s, 1.2 * s);
  ctx.fill();
}

const MOST_DOTS = 260;

/** Traffic as dots that run along the links: more of them and quicker where more flows. */
export function paintDots(
  ctx: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  size: { width: number; height: number },
  palette: Palette,
  seconds: number,
  chosen: Chosen,
  labels: readonly Box[], // under which they pass
): void {
  const near = relatedTo(scene, chosen);
  let left = MOST_DOTS;
  const radius = Math.max(2, 2.4 * camera.zoom);
  for (const line of scene.lines) {
    const { flow, health } = line.link;
    const moving = flow.rate + flow.connections;
    if (moving <= 0 || (near && !near.links.has(line.link.id))) continue;
    const count = Math.min(4, 1 + Math.floor(Math.log10(1 + moving) * 1.5), left);
    const pace = 0.16 + Math.min(0.5, 0.14 * Math.log10(1 + moving));
    ctx.fillStyle = palette.health[health];
    for (let i = 0; i < count; i++) {
      const at = along(line.points, (seconds * pace + i / count) % 1);
      if (labels.some((box) => meets(box, { ...at, width: 0, height: 0 }))) continue;
      const [x, y] = [(at.x - camera.x) * camera.zoom, (at.y - camera.y) * camera.zoom];
      if (x < -5 || y < -5 || x > size.width + 5 || y > size.height + 5) continue;
      ctx.beginPath();
      ctx.arc(x, y, radius, 0, 7);
      ctx.fill();
    }
    left -= count;
    if (left <= 0) return;
  }
}
