// A chart over time: lines in the theme's colours, one cursor through all charts of a page.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Range, Series } from "../data/promql";
import { dark } from "./theme";

export interface Curve {
  name: string;
  colour: string; // a custom property of the theme, without its dashes
  series: Series | undefined;
  filled?: boolean;
}

interface ChartProps {
  title: string;
  curves: readonly Curve[];
  range: Range;
  words: (value: number) => string;
}

const MINUTES = [1, 2, 5, 10, 15, 30, 60, 120, 360].map((minutes) => minutes * 60);
const HEIGHT = 168; // CSS pixels
const together = uPlot.sync("page");

/** The curves' values at common moments; a gap where one has none. */
export function aligned(curves: readonly Curve[], range: Range): uPlot.AlignedData {
  const times: number[] = [];
  for (let at = range.start; at <= range.end + 1e-6; at += range.step) times.push(at);
  const lines = curves.map(({ series }) => {
    const known = new Map(
      (series?.points ?? []).map(([at, value]) => [
        Math.round((at - range.start) / range.step),
        value,
      ]),
    );
    return times.map((_, i) => {
      const value = known.get(i);
      return value === undefined || !Number.isFinite(value) ? null : value;
    });
  });
  return [times, ...lines] as uPlot.AlignedData;
}

export function Chart({ title, curves, range, words }: ChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const names = curves.map((curve) => curve.name).join("|");
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const made = new uPlot(options(element, curves, words), aligned(curves, range), element);
    plot.current = made;
    const sizes = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      made.destroy();
    };
  }, [dark.value, names]);
  useEffect(() => plot.current?.setData(aligned(curves, range)), [curves, range]);
  const last = (curve: Curve) => curve.series?.points.at(-1)?.[1];
  const known = curves.filter((curve) => Number.isFinite(last(curve)));
  const said = known.map((curve) => `${curve.name} ${words(last(curve) ?? 0)}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <ul>
          {curves.map((curve) => (
            <li key={curve.name} class={curve.colour}>
              {curve.name} <b>{Number.isFinite(last(curve)) ? words(last(curve) ?? 0) : "–"}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={holder} class="plot" role="img" aria-label={`${title}: now ${said || "nothing"}`} />
    </figure>
  );
}

const isShort = (line: uPlot.AlignedData[number] | undefined): boolean =>
  [...(line ?? [])].filter((value) => value !== null).length < 4;

function options(
  element: HTMLElement,
  curves: readonly Curve[],
  words: (value: number) => string,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const axis: uPlot.Axis = {
    stroke: colour("soft"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [6, 16, 0, 0],
    cursor: { sync: { key: together.key }, points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: false },
    scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1] } },
    axes: [
      { ...axis, values: "{HH}:{mm}", space: 56, size: 26, incrs: MINUTES },
      { ...axis, size: 62, values: (_, marks) => marks.map(words) },
    ],
    series: [
      {},
      ...curves.map((curve) => ({
        label: curve.name,
        stroke: colour(curve.colour),
        width: 2,
        // A line needs two points; until there are some, each is a dot.
        points: { show: (plot: uPlot, i: number) => isShort(plot.data[i]) },
        ...(curve.filled ? { fill: `${colour(curve.colour)}26` } : {}),
      })),
    ],
  };
}
