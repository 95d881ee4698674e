// Dark or light: as the system says, until somebody chooses.
import { effect, signal } from "@preact/signals";

const KEPT = "lateen-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const kept = localStorage.getItem(KEPT);

export const dark = signal(kept ? kept === "dark" : system.matches);

system.addEventListener("change", () => {
  if (!localStorage.getItem(KEPT)) dark.value = system.matches;
});

effect(() => {
  document.documentElement.dataset.theme = dark.value ? "dark" : "light";
});

export function turn(): void {
  dark.value = !dark.value;
  localStorage.setItem(KEPT, dark.value ? "dark" : "light");
}
