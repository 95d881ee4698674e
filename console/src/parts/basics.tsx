// The pieces that every page is made of.
import type { ComponentChildren } from "preact";
import { moment, since, span } from "../data/words";
import { link } from "../router";

export type Tone = "good" | "warn" | "bad" | "idle" | "note";

export const Pill = ({ tone, children }: { tone: Tone; children: ComponentChildren }) => (
  <span class={`pill ${tone}`}>{children}</span>
);

/** A colour with its meaning in words, for those who see none. */
export const Dot = ({ tone, label }: { tone: Tone; label: string }) => (
  <span class={`dot ${tone}`} role="img" aria-label={label} title={label} />
);

interface PanelProps {
  title: string;
  note?: ComponentChildren;
  tools?: ComponentChildren;
  children: ComponentChildren;
  flush?: boolean; // without padding, for tables
}

export function Panel({ title, note, tools, children, flush }: PanelProps) {
  const id = `panel-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return (
    <section class={`panel${flush ? " flush" : ""}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {note !== undefined && <span class="note">{note}</span>}
        {tools !== undefined && <div class="tools">{tools}</div>}
      </header>
      <div class="inner">{children}</div>
    </section>
  );
}

export const Empty = ({ children }: { children: ComponentChildren }) => (
  <p class="empty">{children}</p>
);

/** What went wrong with a part of a page; the rest of it goes on. */
export const Wrong = ({ words }: { words: string }) =>
  words ? (
    <p class="wrong" role="status">
      {words}
    </p>
  ) : null;

interface Column<T> {
  name: string;
  cell: (row: T) => ComponentChildren;
  number?: boolean;
  wide?: boolean; // left out on a phone
}

interface TableProps<T> {
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  label: string;
  empty: ComponentChildren;
  most?: number;
}

export function Table<T>({ rows, columns, keyOf, label, empty, most = 400 }: TableProps<T>) {
  if (rows.length === 0) return <Empty>{empty}</Empty>;
  const side = (column: Column<T>) =>
    `${column.number ? "number" : ""}${column.wide ? " wide" : ""}`.trim();
  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" class={side(column)}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, most).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.name} class={side(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > most && <Empty>{`and ${rows.length - most} more; narrow them down`}</Empty>}
    </div>
  );
}

/** How long something has been so, with the moment it began on demand. */
export const Since = ({ at }: { at: number | null | undefined }) =>
  at === null || at === undefined ? (
    <span class="soft">–</span>
  ) : (
    <time dateTime={new Date(at * 1000).toISOString()} title={`since ${moment(at)}`}>
      {since(at)}
    </time>
  );

export const Age = ({ seconds }: { seconds: number | null }) => <>{span(seconds)}</>;

/** `file.yaml:12`, where something was written. */
export const Written = ({ file, line }: { file: string; line?: number }) =>
  file ? <code class="place">{line ? `${file}:${line}` : file}</code> : null;

export const ServiceLink = ({ namespace, name }: { namespace: string; name: string }) => (
  <a href={link(["service", namespace, name])}>{name}</a>
);

export const WorkloadLink = ({ namespace, name }: { namespace: string; name: string }) => (
  <a href={link(["workload", namespace, name])}>{name}</a>
);

export const ProxyLink = ({ namespace, pod }: { namespace: string; pod: string }) => (
  <a href={link(["proxy", namespace, pod])}>{pod}</a>
);

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly (readonly [value: string, text: string])[];
  change: (value: string) => void;
}

export const Choice = ({ label, value, options, change }: ChoiceProps) => (
  <label class="field">
    <span class="hidden">{label}</span>
    <select value={value} onChange={(event) => change(event.currentTarget.value)}>
      {options.map(([of, text]) => (
        <option key={of} value={of}>
          {text}
        </option>
      ))}
    </select>
  </label>
);

interface TextProps {
  label: string;
  value: string;
  change: (value: string) => void;
  hint?: string;
  find?: boolean; // `/` goes here
}

export const Text = ({ label, value, change, hint, find }: TextProps) => (
  <label class="field">
    <span class="hidden">{label}</span>
    <input
      type="search"
      value={value}
      placeholder={hint ?? label}
      data-find={find ? "" : undefined}
      onInput={(event) => change(event.currentTarget.value)}
    />
  </label>
);

interface SwitchProps {
  label: string;
  on: boolean;
  change: (on: boolean) => void;
}

export const Switch = ({ label, on, change }: SwitchProps) => (
  <button
    type="button"
    class={`switch${on ? " on" : ""}`}
    aria-pressed={on}
    onClick={() => change(!on)}
  >
    {label}
  </button>
);
