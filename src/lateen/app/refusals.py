"""Find requests in the proxies' logs, and say which policy let them in or refused them.

In: STATE/logs/pods, a request id, plans.    Out: hops, as plain data.
Before: telemetry/accesslines.py             After: app/control.py plugs it into the API

Only the newest log of each proxy is looked at, and of a big one only its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lateen.ir.plan import ProxyPlan
from lateen.ir.policy import EVERYTHING_ALLOWED, Authorization, Policy
from lateen.telemetry.accesslines import AccessLine, RuleName, Verdict, read_line

PROXY = "istio-proxy"
MOST_BYTES = 8 * 1024 * 1024  # of each log
MOST_HOPS = 50
_ID = re.compile(r"[!-~]{1,200}")
_FOLDER = re.compile(r"(?P<namespace>[^_]+)_(?P<pod>[^_]+)_[^_]+")

Hop = dict[str, Any]


def is_request_id(text: str) -> bool:
    """Whether a log can have it as it is."""
    return bool(_ID.fullmatch(text)) and '"' not in text


def hops(logs: Path, id: str, plans: Iterable[ProxyPlan]) -> list[Hop]:
    """All that proxies wrote of one request, or ("") of the newest that they refused; oldest first."""
    by_pod = {(plan.proxy.namespace, plan.proxy.pod): plan for plan in plans}
    found: list[Hop] = []
    for namespace, pod, line in _lines(logs, f'"{id}"' if id else ""):
        if id or line.verdict is not Verdict.ALLOWED:
            found.append(hop(namespace, pod, line, by_pod.get((namespace, pod)), id))
    return sorted(found, key=lambda each: str(each["time"]))[-MOST_HOPS:]


def _lines(logs: Path, wanted: str) -> Iterator[tuple[str, str, AccessLine]]:
    for folder in sorted(logs.glob(f"*/{PROXY}")):
        who = _FOLDER.fullmatch(folder.parent.name)
        runs = sorted((p for p in folder.glob("*.log") if p.stem.isdecimal()), key=_number)
        if who is None or not runs:
            continue
        for text in _end_of(runs[-1]).splitlines():
            if wanted not in text:
                continue
            line = read_line(text.split(" ", 3)[-1])
            if line:
                yield who["namespace"], who["pod"], line


def _number(path: Path) -> int:
    return int(path.stem)


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MOST_BYTES))
        return file.read(MOST_BYTES).decode(errors="replace")


def hop(namespace: str, pod: str, line: AccessLine, plan: ProxyPlan | None, id: str = "") -> Hop:
    """What one proxy did with a request (of that id), in words and as data."""
    policies = {policy.name: policy for policy in _authorization(plan).policies}
    return {
        "namespace": namespace,
        "pod": pod,
        "time": line.time,
        "id": id or line.id,
        "method": line.method,
        "path": line.path,
        "authority": line.authority,
        "status": line.status,
        "refused": line.verdict is not Verdict.ALLOWED,
        "verdict": line.verdict.value,
        "why": _words(line, policies, _authorization(plan)),
        "rule": _shown(line.rule, policies) if line.rule else None,
        "marks": [_shown(mark, policies) for mark in line.marks],
    }


def _authorization(plan: ProxyPlan | None) -> Authorization:
    if plan is None:
        return EVERYTHING_ALLOWED
    return plan.inbound.authorization if plan.inbound else plan.authorization


def _shown(rule: RuleName, policies: Mapping[str, Policy]) -> dict[str, Any]:
    policy = policies.get(f"ns[{rule.namespace}]-policy[{rule.name}]")
    clauses = policy.clauses if policy else ()
    origin = clauses[rule.rule].origin if rule.rule < len(clauses) else None
    return {
        "kind": "AuthorizationPolicy",
        "namespace": rule.namespace,
        "name": rule.name,
        "field": f"spec.rules[{rule.rule}]",
        "action": policy.verdict.name if policy else "",
        "place": str(origin.place) if origin and origin.place else "",
    }


def _words(line: AccessLine, policies: Mapping[str, Policy], here: Authorization) -> str:
    rule = _rule_words(line.rule, policies) if line.rule else ""
    match line.verdict:
        case Verdict.DENIED:
            return f"refused by {rule}"
        case Verdict.NOT_ALLOWED:
            return f"no ALLOW policy lets it in: {_names(here.allow)}"
        case Verdict.CLOSED:
            return "not encrypted by the mesh, and mTLS is STRICT here (PeerAuthentication)"
        case Verdict.BAD_TOKEN:
            rules = ", ".join(str(each.origin) for each in here.tokens)
            return f"its token is not accepted: {line.why} ({rules or 'RequestAuthentication'})"
        case Verdict.BY_AUTHORIZER:
            return f"refused by the authorizer of {rule or 'a CUSTOM policy'}" + (
                f": {line.why}" if line.why else ""
            )
        case Verdict.ALLOWED if rule:
            return f"let in by {rule}"
        case Verdict.ALLOWED if here.allow:
            return "let in"
        case Verdict.ALLOWED:
            return "let in: no ALLOW policy holds here"


def _names(policies: Iterable[Policy]) -> str:
    held = [str(policy.origin) for policy in policies if not policy.dry_run]
    return ", ".join(held) or "none of those that held then is there now"


def _rule_words(rule: RuleName, policies: Mapping[str, Policy]) -> str:
    shown = _shown(rule, policies)
    place = f", {shown['place']}" if shown["place"] else ""
    action = f" ({shown['action']})" if shown["action"] else ""
    return f"AuthorizationPolicy {rule.namespace}/{rule.name} {shown['field']}{place}{action}"
