// An answer that a part of a page waits for, and asks for again while it is shown.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface Asked<T> {
  data: T | null;
  wrong: string; // in words that can be shown
}

/** Ask when `key` changes and every so many milliseconds (0: once); what was known stays meanwhile. */
export function useAsked<T>(
  key: string,
  ask: (signal: AbortSignal) => Promise<T>,
  every = 0,
): Asked<T> {
  const state = useSignal<Asked<T> & { key: string }>({ data: null, wrong: "", key: "" });
  useEffect(() => {
    const off = new AbortController();
    let timer = 0;
    const round = async () => {
      if (!document.hidden) {
        try {
          state.value = { data: await ask(off.signal), wrong: "", key };
        } catch (fault) {
          if (off.signal.aborted) return;
          const wrong = fault instanceof Error ? fault.message : String(fault);
          state.value = { ...state.peek(), wrong, key };
        }
      }
      if (every && !off.signal.aborted) timer = window.setTimeout(round, every);
    };
    void round();
    return () => {
      off.abort();
      clearTimeout(timer);
    };
  }, [key]);
  const { data, wrong } = state.value;
  return state.value.key === key ? { data, wrong } : { data: null, wrong: "" };
}
