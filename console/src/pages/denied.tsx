// Requests that policies refused, each with the rule that did it and the line where it is written.
import { ask, query } from "../data/ask";
import { useAsked } from "../parts/asked";
import { Panel, Pill, Table, Wrong } from "../parts/basics";
import { link } from "../router";

interface RuleOf {
  kind: string;
  namespace: string;
  name: string;
  field: string;
  action: string;
  place: string;
}

export interface Hop {
  namespace: string;
  pod: string;
  time: string;
  id: string;
  method: string;
  path: string;
  authority: string;
  status: number;
  refused: boolean;
  why: string;
  rule: RuleOf | null;
}

interface DeniedProps {
  namespace?: string;
  pods?: readonly string[]; // only these, if any are named
  id?: string; // one request, whether refused or not
  title?: string;
}

const SECURITY = "security.istio.io";
/** A policy that is named in words only: `AuthorizationPolicy shop/only-web, file.yaml:3`. */
const NAMED = /(AuthorizationPolicy|RequestAuthentication) ([\w.-]+)\/([\w.-]+)/;

/** The policies that a decision names, as the addresses of their pages. */
export function policyOf(hop: Pick<Hop, "why" | "rule">): { text: string; to: string } | null {
  const { rule, why } = hop;
  if (rule) {
    const to = link(["config", SECURITY, rule.kind, rule.namespace, rule.name], {
      field: rule.field,
    });
    return { text: `${rule.kind} ${rule.namespace}/${rule.name}`, to };
  }
  const found = NAMED.exec(why);
  if (!found) return null;
  const [text, kind = "", namespace = "", name = ""] = found;
  return { text, to: link(["config", SECURITY, kind, namespace, name]) };
}

export function DeniedPanel({ namespace, pods, id, title }: DeniedProps) {
  const path = `/lateen/v1/decisions${query({ id })}`;
  const { data, wrong } = useAsked(path, (signal) => ask<{ hops: Hop[] }>(path, signal), 4000);
  const rows = (data?.hops ?? []).filter(
    (hop) =>
      (!namespace || hop.namespace === namespace) && (!pods?.length || pods.includes(hop.pod)),
  );
  return (
    <Panel title={title ?? "Refused lately"} flush note={rows.length || ""}>
      <Wrong words={data ? "" : wrong} />
      <Table
        label={title ?? "Refused lately"}
        rows={[...rows].reverse().slice(0, 20)}
        keyOf={(row) => `${row.time} ${row.id} ${row.pod}`}
        empty={id ? "No proxy's log has it any more." : "No policy refused a request lately."}
        columns={[
          {
            name: "Request",
            cell: (row) => (
              <>
                <Pill tone={row.refused ? "bad" : "good"}>{row.status}</Pill>{" "}
                <code>{`${row.method} ${row.path}`}</code>
                <div class="soft">{`${row.authority} at ${row.pod}`}</div>
              </>
            ),
          },
          {
            name: "Why",
            cell: (row) => {
              const policy = policyOf(row);
              return (
                <>
                  <span class="why">{row.why}</span>
                  {policy && (
                    <div>
                      <a href={policy.to}>{policy.text}</a>
                    </div>
                  )}
                </>
              );
            },
          },
          { name: "When", cell: (row) => row.time.slice(11, 19), number: true },
        ]}
      />
    </Panel>
  );
}
