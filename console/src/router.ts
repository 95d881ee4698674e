// Where in the console we are, and how to get elsewhere.
import { computed, signal } from "@preact/signals";
import { link, placeOf } from "./data/address";

export { link } from "./data/address";

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
