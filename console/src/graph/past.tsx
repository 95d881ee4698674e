// Time travel: the graph as the kept history has it.
import { effect, signal } from "@preact/signals";
import { moment, span } from "../data/words";
import { place, reword } from "../router";
import type { Flow } from "./flows";
import { flowsAt } from "./history";

export interface Then {
  at: number; // unix seconds
  flows: Flow[];
}

export const past = signal<Then | null>(null);
const words = signal(""); // why it cannot be shown

const REACHES: readonly (readonly [number, string])[] = [
  [900, "15 min"],
  [3600, "1 h"],
  [6 * 3600, "6 h"],
];
let asking = new AbortController();

effect(() => {
  const at = Number(place.value.words.get("at")) || 0;
  asking.abort();
  asking = new AbortController();
  const { signal: ended } = asking;
  if (!at) {
    past.value = null;
    words.value = "";
    return;
  }
  flowsAt(at, ended).then(
    (flows) => {
      past.value = { at, flows };
      words.value = "";
    },
    (fault: unknown) => {
      if (!ended.aborted) words.value = fault instanceof Error ? fault.message : String(fault);
    },
  );
});

/** The slider under the graph. */
export function Past() {
  const asked = place.value.words;
  const reach = Number(asked.get("reach")) || 900;
  const at = Number(asked.get("at")) || 0;
  const now = Date.now() / 1000;
  const step = Math.max(5, Math.round(reach / 180));
  const back = at ? Math.min(reach, Math.round((now - at) / step) * step) : 0;
  const travel = (seconds: number) =>
    reword({ at: seconds > 0 ? String(Math.round(now - seconds)) : "" });
  return (
    <div class={`past${at ? " then" : ""}`} role="group" aria-label="Time travel">
      <button type="button" class={at ? "" : "on"} aria-pressed={!at} onClick={() => travel(0)}>
        Live
      </button>
      <input
        type="range"
        min={0}
        max={reach}
        step={step}
        value={reach - back}
        aria-label="How long ago"
        aria-valuetext={back ? `${span(back)} ago` : "now"}
        onInput={(event) => travel(reach - Number(event.currentTarget.value))}
      />
      <span class="when" aria-live="polite">
        {at ? `${moment(at)}, ${span(now - at)} ago` : "now"}
      </span>
      {REACHES.map(([seconds, text]) => (
        <button
          key={seconds}
          type="button"
          class={`small${reach === seconds ? " on" : ""}`}
          aria-pressed={reach === seconds}
          onClick={() => reword({ reach: String(seconds), at: "" })}
        >
          {text}
        </button>
      ))}
      {words.value && <span class="bad-text">{words.value}</span>}
    </div>
  );
}
