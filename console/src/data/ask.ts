// Asking the console's own port, for plain data only.

export class Fault extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const UNREACHED = "The control plane does not answer. Pods and proxies go on; trying again.";
const LOCKED = "This page needs its token: open the address that `lateen status` prints.";

/** The JSON at a path of this origin; raises a Fault whose message can be shown as it is. */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      credentials: "same-origin",
      cache: "no-store",
      signal: signal ?? null,
    });
  } catch (fault) {
    if (signal?.aborted) throw fault;
    throw new Fault(0, UNREACHED);
  }
  if (answer.ok) return (await answer.json()) as T;
  throw new Fault(answer.status, answer.status === 401 ? LOCKED : await wordsOf(answer));
}

/** What an answer says went wrong: a JSON object's message, or its plain text. */
async function wordsOf(answer: Response): Promise<string> {
  const plain = `${answer.status} ${answer.statusText}`;
  const text = (await answer.text()).trim();
  try {
    const said = JSON.parse(text) as { message?: string; error?: string };
    return said.message || said.error || plain;
  } catch {
    return text.length > 0 && text.length < 400 ? text : plain;
  }
}

type Words = Record<string, string | number | readonly string[] | undefined>;

/** The `?…` of an address; what is empty is left out, a list is said once for each. */
export const query = (words: Words): string => {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(words)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== "") given.append(name, String(one));
    }
  }
  const text = given.toString();
  return text ? `?${text}` : "";
};
