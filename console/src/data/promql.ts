// Prometheus' query API, answered by the observer behind the console's own port.
import { ask, query } from "./ask";

const API = "/prometheus/api/v1";

export interface Series {
  labels: Record<string, string>;
  points: [at: number, value: number][]; // unix seconds
}

interface Answer {
  data: {
    result: {
      metric: Record<string, string>;
      value?: [number, string];
      values?: [number, string][];
    }[];
  };
}

const seriesOf = (answer: Answer): Series[] =>
  answer.data.result.map((one) => ({
    labels: one.metric,
    points: (one.values ?? (one.value ? [one.value] : [])).map(([at, value]) => [
      at,
      Number(value),
    ]),
  }));

/** The value of an expression at a moment (now, unless given). */
export async function instant(
  expression: string,
  at?: number,
  signal?: AbortSignal,
): Promise<Series[]> {
  return seriesOf(
    await ask<Answer>(`${API}/query${query({ query: expression, time: at })}`, signal),
  );
}

export interface Range {
  start: number; // unix seconds
  end: number;
  step: number; // seconds
}

/** The values of an expression over a range. */
export async function ranged(
  expression: string,
  { start, end, step }: Range,
  signal?: AbortSignal,
): Promise<Series[]> {
  const words = query({ query: expression, start, end, step });
  return seriesOf(await ask<Answer>(`${API}/query_range${words}`, signal));
}

/** A label's value written into an expression. */
export const quoted = (text: string): string => JSON.stringify(text);
