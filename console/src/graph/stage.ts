// The canvas of the graph: camera, pointer and keyboard, and a frame only when there is one to show.
import type { Box, Point } from "./layout";
import { worst } from "./model";
import { type Camera, type Chosen, type Palette, paintDots, paintScene } from "./paint";
import { type Hit, hitAt, type Placed, type Scene } from "./scene";

const NEAREST = 2.2;
const MARGIN = 0.35; // of the view, kept painted around it so that moving it costs one copy
const REST = 90; // milliseconds after which a zoomed picture is painted anew
const MOST_PIXELS = 2; // device pixels for one of CSS, at most

export interface Heard {
  pick(hit: Hit): void;
  open(hit: Hit): void;
  point(hit: Hit, at: Point): void;
}

const ROOMY = 600; // CSS pixels of width from which nothing lies under the buttons
const BUTTONS = 44;
const LEGIBLE = 0.75; // the least zoom that is well read on a phone
const LEGEND = 30; // and below, under the legend

export class Stage {
  private scene: Scene | null = null;
  private camera: Camera = { x: 0, y: 0, zoom: 1 };
  private palette: Palette | null = null;
  private chosen: Chosen = { card: "", link: "" };
  private pointed: Chosen = { card: "", link: "" };
  private readonly ctx: CanvasRenderingContext2D;
  private readonly layer = document.createElement("canvas");
  private readonly layerCtx: CanvasRenderingContext2D;
  private painted: Camera | null = null;
  private labels: Box[] = [];
  private stale = true;
  private size = { width: 1, height: 1 };
  private ratio = 1;
  private frame = 0;
  private rest = 0;
  private moved = false; // by hand, since all of it was in view
  private readonly pointers = new Map<number, Point>();
  private pressed: Point | null = null;
  private readonly off = new AbortController();
  private dots = true; // whether traffic is shown as dots

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly heard: Heard,
  ) {
    this.ctx = context(canvas);
    this.layerCtx = context(this.layer);
    this.listen();
  }

  close(): void {
    this.off.abort();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
  }

  show(scene: Scene): void {
    const other = this.scene?.width !== scene.width || this.scene.height !== scene.height;
    this.scene = scene;
    if (other && !this.moved && scene.cards.length > 0) this.begin();
    this.repaint();
  }

  paintWith(palette: Palette): void {
    this.palette = palette;
    this.repaint();
  }

  animate(on: boolean): void {
    this.dots = on;
    this.wake();
  }

  choose(chosen: Chosen): void {
    this.chosen = chosen;
    this.repaint();
  }

  resize(width: number, height: number): void {
    if (width < 2 || height < 2) return;
    this.ratio = Math.min(MOST_PIXELS, devicePixelRatio || 1);
    this.size = { width, height };
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    if (this.scene && !this.moved) this.begin();
    this.repaint();
  }

  /** All of it in view; on a phone, where that would be too small to read, what is worst. */
  private begin(): void {
    this.fit();
    const { scene, camera, size } = this;
    if (!scene || size.width > ROOMY || camera.zoom >= LEGIBLE) return;
    const ill = worst(scene.cards.map(({ card }) => card.health));
    const box = scene.cards.find(({ card }) => card.health === ill)?.box;
    if (!box) return;
    this.camera = {
      zoom: LEGIBLE,
      x: box.x + box.width / 2 - size.width / 2 / LEGIBLE,
      y: box.y + box.height / 2 - size.height / 2 / LEGIBLE,
    };
  }

  /** All of it in view, but never larger than life. */
  fit(): void {
    const scene = this.scene;
    if (!scene || this.size.width < 2) return;
    this.moved = false;
    const pad = 28;
    const width = this.size.width - (this.size.width > ROOMY ? BUTTONS : 0);
    const height = this.size.height - LEGEND;
    const zoom = Math.min(
      1,
      (width - 2 * pad) / Math.max(1, scene.width),
      (height - 2 * pad) / Math.max(1, scene.height),
    );
    this.camera = {
      zoom,
      x: scene.width / 2 - width / 2 / zoom,
      y: scene.height / 2 - height / 2 / zoom,
    };
    this.repaint();
  }

  /** Zoom about a point of the view, its middle unless another is given. */
  zoomBy(factor: number, at?: Point): void {
    const where = at ?? { x: this.size.width / 2, y: this.size.height / 2 };
    const before = this.toScene(where);
    const zoom = Math.max(this.farthest(), Math.min(NEAREST, this.camera.zoom * factor));
    this.moved = true;
    this.camera = { zoom, x: before.x - where.x / zoom, y: before.y - where.y / zoom };
    clearTimeout(this.rest);
    this.rest = window.setTimeout(() => this.repaint(), REST);
    this.wake();
  }

  /** How far one can go: all of it in a third of the view. */
  private farthest(): number {
    const scene = this.scene;
    if (!scene) return 0.1;
    const whole = Math.min(
      this.size.width / Math.max(1, scene.width),
      this.size.height / Math.max(1, scene.height),
    );
    return Math.min(0.5, whole / 3);
  }

  panBy(dx: number, dy: number): void {
    this.moved = true;
    this.camera = {
      ...this.camera,
      x: this.camera.x - dx / this.camera.zoom,
      y: this.camera.y - dy / this.camera.zoom,
    };
    this.wake();
  }

  /** Bring a card into view. */
  reveal(box: Box): void {
    const { x, y } = this.toView(box);
    const [w, h] = [box.width * this.camera.zoom, box.height * this.camera.zoom];
    const pad = 40;
    const dx = x < pad ? pad - x : Math.min(0, this.size.width - pad - x - w);
    const dy = y < pad ? pad - y : Math.min(0, this.size.height - pad - y - h);
    if (dx || dy) this.panBy(dx, dy);
  }

  private toScene(at: Point): Point {
    return {
      x: this.camera.x + at.x / this.camera.zoom,
      y: this.camera.y + at.y / this.camera.zoom,
    };
  }

  private toView(at: Point): Point {
    return {
      x: (at.x - this.camera.x) * this.camera.zoom,
      y: (at.y - this.camera.y) * this.camera.zoom,
    };
  }

  private repaint(): void {
    this.stale = true;
    this.wake();
  }

  private wake(): void {
    if (!this.frame) this.frame = requestAnimationFrame((now) => this.draw(now));
  }

  private draw(now: number): void {
    this.frame = 0;
    const { scene, palette } = this;
    if (!palette) return;
    if (!scene) {
      this.ctx.fillStyle = palette.back;
      this.ctx.fillRect(0, 0, this.canvas.width, this.canvas.height);
      return;
    }
    if (this.stale || this.beyondPainted()) this.paintLayer(scene, palette);
    this.copyLayer(palette);
    if (this.dots && scene.lines.some((line) => line.link.flow.rate > 0)) {
      this.ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      paintDots(
        this.ctx,
        scene,
        this.camera,
        this.size,
        palette,
        now / 1000,
        this.shining(),
        this.labels,
      );
      this.wake();
    }
  }

  /** Whether the view has left what is painted around it. */
  private beyondPainted(): boolean {
    const p = this.painted;
    if (!p || p.zoom !== this.camera.zoom) return p === null;
    const [mx, my] = [this.margin(this.size.width), this.margin(this.size.height)];
    const dx = (this.camera.x - p.x) * p.zoom;
    const dy = (this.camera.y - p.y) * p.zoom;
    return dx < 0 || dy < 0 || dx > 2 * mx || dy > 2 * my;
  }

  private margin(length: number): number {
    return Math.round(length * MARGIN);
  }

  private paintLayer(scene: Scene, palette: Palette): void {
    const { width, height } = this.size;
    const [mx, my] = [this.margin(width), this.margin(height)];
    const whole = { width: width + 2 * mx, height: height + 2 * my };
    const [w, h] = [Math.round(whole.width * this.ratio), Math.round(whole.height * this.ratio)];
    if (this.layer.width !== w || this.layer.height !== h) {
      this.layer.width = w;
      this.layer.height = h;
    }
    const { zoom } = this.camera;
    this.painted = { zoom, x: this.camera.x - mx / zoom, y: this.camera.y - my / zoom };
    this.layerCtx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.labels = paintScene(this.layerCtx, scene, this.painted, whole, palette, this.shining());
    this.stale = false;
  }

  private shining(): Chosen {
    return this.pointed.card || this.pointed.link ? this.pointed : this.chosen;
  }

  /** The painted layer where the camera is now; stretched for a moment while the zoom changes. */
  private copyLayer(palette: Palette): void {
    const p = this.painted;
    if (!p) return;
    const scale = this.camera.zoom / p.zoom;
    const x = (p.x - this.camera.x) * this.camera.zoom * this.ratio;
    const y = (p.y - this.camera.y) * this.camera.zoom * this.ratio;
    this.ctx.setTransform(1, 0, 0, 1, 0, 0);
    if (scale !== 1) {
      this.ctx.fillStyle = palette.back;
      this.ctx.fillRect(0, 0, this.canvas.width, this.canvas.height);
    }
    const [w, h] = [this.layer.width * scale, this.layer.height * scale];
    if (scale === 1) this.ctx.drawImage(this.layer, Math.round(x), Math.round(y));
    else this.ctx.drawImage(this.layer, x, y, w, h);
  }

  private listen(): void {
    const { canvas } = this;
    const on = <K extends keyof HTMLElementEventMap>(
      name: K,
      heard: (event: HTMLElementEventMap[K]) => void,
      passive = true,
    ) => canvas.addEventListener(name, heard, { signal: this.off.signal, passive });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.pointers.delete(event.pointerId));
    on("pointerleave", () => this.pointTo(null, { x: 0, y: 0 }));
    on("dblclick", (event) => this.heard.open(this.under(placeIn(event, canvas))));
    on("wheel", (event) => this.wheel(event), false);
    on("keydown", (event) => this.key(event), false);
  }

  private under(at: Point): Hit {
    return this.scene ? hitAt(this.scene, this.toScene(at), 7 / this.camera.zoom) : null;
  }

  private down(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId);
    const at = placeIn(event, this.canvas);
    this.pointers.set(event.pointerId, at);
    this.pressed = this.pointers.size === 1 ? at : null;
  }

  private move(event: PointerEvent): void {
    const at = placeIn(event, this.canvas);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.pointTo(this.under(at), at);
      return;
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    const other = others[0]?.[1];
    this.pointers.set(event.pointerId, at);
    if (other) {
      const stretch = far(at, other) / Math.max(1, far(before, other));
      this.zoomBy(stretch, { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 });
    } else this.panBy(at.x - before.x, at.y - before.y);
  }

  private up(event: PointerEvent): void {
    const at = placeIn(event, this.canvas);
    this.pointers.delete(event.pointerId);
    if (this.pressed && far(this.pressed, at) < 5) this.heard.pick(this.under(at));
    this.pressed = null;
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    if (event.shiftKey) this.panBy(-event.deltaY - event.deltaX, 0);
    else this.zoomBy(Math.exp(-event.deltaY * 0.0016), placeIn(event, this.canvas));
  }

  private pointTo(hit: Hit, at: Point): void {
    const pointed = {
      card: hit?.kind === "card" ? hit.card.id : "",
      link: hit?.kind === "line" ? hit.line.link.id : "",
    };
    this.canvas.style.cursor = hit ? "pointer" : "grab";
    this.heard.point(hit, at);
    if (pointed.card === this.pointed.card && pointed.link === this.pointed.link) return;
    this.pointed = pointed;
    this.repaint();
  }

  private key(event: KeyboardEvent): void {
    const way = WAYS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way && event.shiftKey) this.panBy(-way.x * 60, -way.y * 60);
    else if (way) this.step(way);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else if (event.key === "0") this.fit();
    else if (event.key === "Escape") this.heard.pick(null);
    else if (event.key === "Enter" && this.chosenCard()) this.heard.open(hitOf(this.chosenCard()));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private chosenCard(): Placed | undefined {
    return this.scene?.cards.find(({ card }) => card.id === this.chosen.card);
  }

  /** Go to the nearest card in a direction; to the first one from nowhere. */
  private step(way: Point): void {
    const now = this.chosenCard();
    const next = now ? nearest(this.scene?.cards ?? [], now, way) : this.scene?.cards[0];
    if (!next) return;
    this.heard.pick(hitOf(next));
    this.reveal(next.box);
  }
}

const WAYS: Record<string, Point> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

function nearest(all: readonly Placed[], from: Placed, way: Point): Placed | undefined {
  let best: { placed: Placed; cost: number } | undefined;
  const a = centre(from.box);
  for (const placed of all) {
    const b = centre(placed.box);
    const ahead = (b.x - a.x) * way.x + (b.y - a.y) * way.y;
    if (placed === from || ahead < 8) continue;
    const aside = Math.abs((b.x - a.x) * way.y) + Math.abs((b.y - a.y) * way.x);
    const cost = ahead + 2.5 * aside;
    if (!best || cost < best.cost) best = { placed, cost };
  }
  return best?.placed;
}

const centre = (box: Box): Point => ({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
const far = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y);

const hitOf = (placed: Placed | undefined): Hit =>
  placed ? { kind: "card", card: placed.card, row: null, box: placed.box } : null;

function placeIn(event: MouseEvent, canvas: HTMLCanvasElement): Point {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const ctx = canvas.getContext("2d", { alpha: false });
  if (!ctx) throw new Error("this browser draws no canvas");
  return ctx;
}
