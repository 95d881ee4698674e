// Addresses within the console: a path and words after the `#`, so that no server need know the pages.

export interface Place {
  path: string[];
  words: URLSearchParams;
}

/** `#/service/shop/web?tab=logs` as its parts. */
export function placeOf(hash: string): Place {
  const [path = "", words = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return {
    path: path.split("/").filter(Boolean).map(decodeURIComponent),
    words: new URLSearchParams(words),
  };
}

const SERVICE = /^([^.]+)\.([^.]+)\.svc\.cluster\.local$/;

/** The page of what a request was for: a workload, or a service of which no pod was reached. */
export function targetOf(namespace: string, name: string): string {
  const [, service, where] = SERVICE.exec(name) ?? [];
  return service && where ? link(["service", where, service]) : link(["workload", namespace, name]);
}

/** The address of a place; empty words are left out. */
export function link(
  path: readonly string[],
  words: Record<string, string | number | undefined> = {},
): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(words)) {
    if (value !== undefined && value !== "") given.set(name, String(value));
  }
  const text = given.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}
