// Traces as the observer has them, and a trace's spans as the rows of a waterfall.

export interface Found {
  traceId: string;
  root: { service: string; operation: string };
  start: number; // unix seconds
  duration: number; // seconds
  spans: number;
  errors: number;
  services: string[];
}

export interface Span {
  spanId: string;
  parentId: string | null;
  service: string;
  operation: string;
  kind: string;
  start: number; // unix seconds
  duration: number; // seconds
  status: string;
  tags: Record<string, string>;
  pod: string;
  namespace: string;
  source: string; // proxy or app
}

export interface Bar {
  span: Span;
  depth: number;
  left: number; // shares of the whole trace, from 0 to 1
  width: number;
  failed: boolean;
  origin: boolean; // it failed and nothing below it did: here the failure began
}

/** Whether a span tells of a failure. */
export const failed = (span: Span): boolean =>
  /error/i.test(span.status) || span.tags.error === "true" || /^5/.test(codeOf(span));

/** The HTTP status a span tells of, "" if none. */
export const codeOf = (span: Span): string =>
  String(span.tags["http.status_code"] ?? span.tags["http.response.status_code"] ?? "");

/** Spans as bars, children below their parents in the order in which they began. */
export function waterfall(spans: readonly Span[]): Bar[] {
  const known = new Set(spans.map((span) => span.spanId));
  const children = new Map<string, Span[]>();
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const under = span.parentId && known.has(span.parentId) ? span.parentId : "";
    children.set(under, [...(children.get(under) ?? []), span]);
  }
  const start = Math.min(...spans.map((span) => span.start));
  const end = Math.max(...spans.map((span) => span.start + span.duration));
  const whole = Math.max(end - start, 1e-9);
  const bars: Bar[] = [];
  const seen = new Set<string>();
  const put = (span: Span, depth: number) => {
    if (seen.has(span.spanId)) return; // a span that is its own ancestor
    seen.add(span.spanId);
    bars.push({
      span,
      depth,
      left: (span.start - start) / whole,
      width: Math.max(span.duration / whole, 0.002),
      failed: failed(span),
      origin: failed(span) && !(children.get(span.spanId) ?? []).some(failed),
    });
    for (const child of children.get(span.spanId) ?? []) put(child, depth + 1);
  };
  for (const root of children.get("") ?? []) put(root, 0);
  for (const span of spans) put(span, 0);
  return bars;
}
