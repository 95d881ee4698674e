// Numbers and times as people read them.

/** `42 s`, `3 min`, `5 h`, `12 d`; seconds in. */
export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const n = Math.max(0, seconds);
  if (n < 120) return `${Math.floor(n)} s`;
  if (n < 7200) return `${Math.floor(n / 60)} min`;
  if (n < 172800) return `${Math.floor(n / 3600)} h`;
  return `${Math.floor(n / 86400)} d`;
}

/** `0.4/s`, `12/s`, `1.2k/s`; requests a second in. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return "0/s";
  if (perSecond < 0.1) return "<0.1/s";
  if (perSecond < 10) return `${perSecond.toFixed(1)}/s`;
  if (perSecond < 1000) return `${Math.round(perSecond)}/s`;
  return `${(perSecond / 1000).toFixed(1)}k/s`;
}

/** A share from 0 to 1 as `0 %`, `0.4 %`, `12 %`. */
export function share(part: number): string {
  if (!Number.isFinite(part) || part <= 0) return "0 %";
  if (part < 0.001) return "<0.1 %";
  if (part < 0.1) return `${(part * 100).toFixed(1)} %`;
  return `${Math.round(part * 100)} %`;
}

/** Milliseconds as `0 ms`, `0.8 ms`, `45 ms`, `1.20 s`. */
export function time(milliseconds: number | null | undefined): string {
  if (milliseconds === null || milliseconds === undefined || !Number.isFinite(milliseconds)) {
    return "–";
  }
  if (milliseconds === 0) return "0 ms";
  if (milliseconds < 1) return `${milliseconds.toFixed(2)} ms`;
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

/** Bytes as `512 B`, `3.4 kB`, `1.2 MB`. */
export function bytes(count: number): string {
  if (count < 1000) return `${Math.round(count)} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(1)} MB`;
  return `${(count / 1e9).toFixed(2)} GB`;
}

/** A moment of today as `14:03:09`, of another day with its date; unix seconds in. */
export function moment(seconds: number, now = Date.now() / 1000): string {
  const at = new Date(seconds * 1000);
  const clock = at.toLocaleTimeString([], { hourCycle: "h23" });
  const sameDay = at.toDateString() === new Date(now * 1000).toDateString();
  return sameDay ? clock : `${at.toLocaleDateString()} ${clock}`;
}

/** `since 3 min` for a moment; unix seconds in. */
export const since = (seconds: number | null | undefined, now = Date.now() / 1000): string =>
  seconds === null || seconds === undefined ? "" : span(now - seconds);

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

export const shortHost = (host: string): string => host.replace(/\.svc\.cluster\.local$/, "");
