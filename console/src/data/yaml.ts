// An object written as YAML, each line with the field it belongs to: for reading, not for reading back.

export interface Line {
  text: string; // with its indentation
  field: string; // `spec.http[0].route`; "" for the object itself
}

type Tree = unknown;

const PLAIN = /^[A-Za-z_/.][\w./@:-]*$/;
const LIKE_OTHERS = /^(true|false|null|yes|no|on|off|~|\.)$|^[\d.+-]|: |:$/i;

/** A text as a scalar: bare where that can mean nothing else. */
export function scalar(value: unknown): string {
  if (typeof value !== "string") return value === null ? "null" : String(value);
  return PLAIN.test(value) && !LIKE_OTHERS.test(value) ? value : JSON.stringify(value);
}

/** The lines of a tree; order is the tree's own, with what names an object first. */
export function linesOf(tree: Tree): Line[] {
  const lines: Line[] = [];
  write(tree, "", 0, lines, "");
  return lines;
}

function write(value: Tree, field: string, depth: number, lines: Line[], lead: string): void {
  const pad = "  ".repeat(depth);
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      element(item, `${field}[${i}]`, depth, lines);
    });
    return;
  }
  if (value === null || typeof value !== "object") {
    lines.push({ text: `${pad}${lead}${scalar(value)}`, field });
    return;
  }
  let first = true;
  for (const [name, inner] of Object.entries(value)) {
    const at = field ? `${field}.${keyed(name)}` : keyed(name);
    const start = first && lead ? `${"  ".repeat(depth - 1)}${lead}` : pad;
    entry(name, inner, at.replace(".[", "["), depth, lines, start);
    first = false;
  }
}

const keyed = (name: string): string => (/[./]/.test(name) ? `["${name}"]` : name);

function element(value: Tree, field: string, depth: number, lines: Line[]): void {
  const pad = "  ".repeat(depth);
  if (isEmpty(value) || value === null || typeof value !== "object") {
    lines.push({ text: `${pad}- ${short(value)}`, field });
  } else if (Array.isArray(value)) {
    lines.push({ text: `${pad}-`, field });
    write(value, field, depth + 1, lines, "");
  } else write(value, field, depth + 1, lines, "- ");
}

function entry(
  name: string,
  value: Tree,
  field: string,
  depth: number,
  lines: Line[],
  start: string,
): void {
  const key = `${start}${scalar(name)}:`;
  if (isEmpty(value) || value === null || typeof value !== "object") {
    if (typeof value === "string" && value.includes("\n")) block(key, value, field, depth, lines);
    else lines.push({ text: `${key} ${short(value)}`, field });
    return;
  }
  lines.push({ text: key, field });
  write(value, field, Array.isArray(value) ? depth : depth + 1, lines, "");
}

function block(key: string, text: string, field: string, depth: number, lines: Line[]): void {
  lines.push({ text: `${key} |`, field });
  for (const part of text.replace(/\n$/, "").split("\n")) {
    lines.push({ text: `${"  ".repeat(depth + 1)}${part}`, field });
  }
}

const isEmpty = (value: Tree): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0;

const short = (value: Tree): string =>
  isEmpty(value) ? (Array.isArray(value) ? "[]" : "{}") : scalar(value);

/** The line of a field, or else of its nearest parent that has one. */
export function lineFor(lines: readonly Line[], field: string): number {
  let path = field;
  for (;;) {
    const found = lines.findIndex(
      ({ field: own }) => own === path || own.startsWith(`${path}.`) || own.startsWith(`${path}[`),
    );
    if (found >= 0 || !path) return Math.max(0, found);
    const cut = Math.max(path.lastIndexOf("."), path.lastIndexOf("["));
    path = cut > 0 ? path.slice(0, cut) : "";
  }
}

export type Word = [kind: "key" | "text" | "number" | "dash" | "rest", text: string];

/** A line's words with what each of them is, for colours. */
export function wordsOf(text: string): Word[] {
  const found = /^(\s*)((?:- )*)("(?:[^"\\]|\\.)*"|[^\s:"]+)?(:)?(.*)$/.exec(text);
  if (!found) return [["rest", text]];
  const [, pad = "", dashes = "", head = "", colon = "", rest = ""] = found;
  const words: Word[] = [["rest", pad]];
  if (dashes) words.push(["dash", dashes]);
  if (colon) words.push(["key", head], ["rest", ":"], ...valueWords(rest));
  else words.push(...valueWords(`${head}${rest}`));
  return words.filter(([, part]) => part !== "");
}

function valueWords(text: string): Word[] {
  const value = text.trim();
  if (/^(-?\d+(\.\d+)?|true|false|null)$/.test(value)) return [["number", text]];
  return [["text", text]];
}
