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

async function wordsOf(answer: Response): Promise<string> {
  try {
    const said = (await answer.json()) as { message?: string; error?: string };
    return said.message || said.error || `${answer.status} ${answer.statusText}`;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

export const query = (words: Record<string, string | number | undefined>): string => {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(words)) {
    if (value !== undefined && value !== "") given.set(name, String(value));
  }
  const text = given.toString();
  return text ? `?${text}` : "";
};
