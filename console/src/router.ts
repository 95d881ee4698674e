// Where in the console we are: a path and words after the `#`, so that no server need know the pages.
import { computed, signal } from "@preact/signals";

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

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

export const place = computed(() => placeOf(hash.value));

export function go(address: string): void {
  location.hash = address;
}

/** Change words of the place we are at, without a step in the browser's history. */
export function reword(words: Record<string, string | undefined>): void {
  const now = place.peek();
  const merged: Record<string, string | undefined> = Object.fromEntries(now.words);
  history.replaceState(null, "", link(now.path, { ...merged, ...words }));
  hash.value = location.hash;
}
