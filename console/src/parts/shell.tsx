// The frame around every page: where one can go, how the mesh is, and the keys.
import { useSignal } from "@preact/signals";
import type { ComponentChildren, FunctionComponent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { status, trouble } from "../data/live";
import { go, link, place } from "../router";
import { Pill, type Tone } from "./basics";
import { Finder, finding } from "./finder";
import { Blocks, Falls, Gauge, Glass, Lines, Moon, Net, Paper, Sail, Sun } from "./signs";
import { dark, turn } from "./theme";

interface Way {
  name: string;
  path: string[];
  of: readonly string[]; // first words of the addresses below it
  key: string;
  sign: FunctionComponent;
}

export const WAYS: readonly Way[] = [
  { name: "Overview", path: [], of: ["", "overview"], key: "o", sign: Gauge },
  { name: "Graph", path: ["graph"], of: ["graph"], key: "g", sign: Net },
  {
    name: "Services",
    path: ["services"],
    of: ["services", "service", "workload"],
    key: "s",
    sign: Blocks,
  },
  { name: "Config", path: ["config"], of: ["config", "proxy"], key: "c", sign: Paper },
  { name: "Traces", path: ["traces"], of: ["traces", "trace"], key: "t", sign: Falls },
  { name: "Logs", path: ["logs"], of: ["logs"], key: "l", sign: Lines },
];

const PHASES: Record<string, Tone> = { ready: "good", degraded: "bad", starting: "warn" };

export function Shell({ title, children }: { title: string; children: ComponentChildren }) {
  const help = useSignal(false);
  useKeys(() => {
    help.value = true;
  });
  const now = status.value;
  document.title = now ? `${title} · ${now.name}` : title;
  return (
    <>
      <button type="button" class="skip" onClick={toMain}>
        To the page's content
      </button>
      <header class="bar">
        <a class="brand" href={link([])}>
          <Sail />
          <span>lateen</span>
        </a>
        {now && (
          <span class="mesh">
            {now.name} <Pill tone={PHASES[now.phase] ?? "warn"}>{now.phase}</Pill>
          </span>
        )}
        <span class="grow" />
        <button
          type="button"
          class="find"
          onClick={() => {
            finding.value = true;
          }}
        >
          <Glass /> <span class="wide">Find</span> <kbd class="wide">Ctrl K</kbd>
        </button>
        <button
          type="button"
          class="icon"
          onClick={turn}
          aria-label={dark.value ? "Light colours" : "Dark colours"}
        >
          {dark.value ? <Sun /> : <Moon />}
        </button>
        <button
          type="button"
          class="icon"
          onClick={() => {
            help.value = true;
          }}
          aria-label="Keys"
        >
          ?
        </button>
      </header>
      <Ways />
      <main id="main" tabIndex={-1}>
        {trouble.value && (
          <p class="banner" role="alert">
            {trouble.value}
          </p>
        )}
        {children}
      </main>
      <Finder />
      <Help
        open={help.value}
        close={() => {
          help.value = false;
        }}
      />
    </>
  );
}

function toMain(): void {
  document.getElementById("main")?.focus();
}

function Ways() {
  const here = place.value.path[0] ?? "";
  return (
    <nav class="ways" aria-label="Pages">
      {WAYS.map(({ name, path, of, key, sign: Sign }) => (
        <a
          key={name}
          href={link(path)}
          aria-current={of.includes(here) ? "page" : undefined}
          title={`${name} (g ${key})`}
        >
          <Sign />
          <span>{name}</span>
        </a>
      ))}
    </nav>
  );
}

const PATIENCE = 1200; // milliseconds between the two keys of `g o`

/** `g` and a page's letter, `/` to the filter, `?` for help. */
function useKeys(help: () => void): void {
  useEffect(() => {
    let begun = 0;
    const heard = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        finding.value = true;
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const way = WAYS.find((each) => each.key === event.key);
      if (way && event.timeStamp - begun < PATIENCE) {
        begun = 0;
        go(link(way.path));
      } else if (event.key === "g") begun = event.timeStamp;
      else if (event.key === "?") help();
      else if (event.key === "/") {
        event.preventDefault();
        const field = document.querySelector<HTMLElement>("[data-find]");
        if (field) field.focus();
        else finding.value = true;
      }
    };
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  }, [help]);
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest("input, select, textarea, dialog") !== null;

const KEYS: readonly (readonly [string, string])[] = [
  ...WAYS.map((way) => [`g ${way.key}`, way.name] as const),
  ["/", "filter this page"],
  ["Ctrl K", "find a service, a workload, a pod"],
  ["arrows", "graph: from card to card; with Shift, move the view"],
  ["+  −  0", "graph: nearer, farther, all of it"],
  ["Enter", "graph: open the chosen card"],
  ["Esc", "close, or choose nothing"],
];

function Help({ open, close }: { open: boolean; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
  }, [open]);
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="keys">
      <h2 id="keys">Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
