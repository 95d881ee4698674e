"""Read what a proxy wrote down of a request, and who let it in or refused it.

In: a line of an access log.      Out: AccessLine.
Before: envoy/access.py           After: app/refusals.py

Clients choose paths and headers, and Envoy writes them as they are; so what judged a request is read
from the beginning and the end of its line, where no client can write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lateen.envoy.names import ASKED, AUDITED

_LINE = re.compile(
    r'\[(?P<time>[^\]]*)\] "(?P<method>\S+) (?P<path>\S*) (?P<protocol>[^" ]*)"'
    r" (?P<status>\d+) (?P<flags>\S+) (?P<details>\S+) (?P<connection>\S+) (?P<rest>.*)"
)
_NAMED = re.compile(
    r'"[^"]*" \d+ \d+ \d+ \S+ "[^"]*" "[^"]*" "(?P<id>[^"]*)" "(?P<authority>[^"]*)"'
)
_RULE = re.compile(r"ns\[(?P<namespace>.*)\]-policy\[(?P<name>.*)\]-rule\[(?P<rule>\d+)\]")
_DENIED = re.compile(r"rbac_access_denied_matched_policy\[(.*)\]")
_TOKEN = re.compile(r"jwt_authn_access_denied\{(.*)\}")
_ASKED = ("ext_authz_denied", "ext_authz_error")


class Verdict(StrEnum):
    """What became of a request at the policies of one proxy."""

    ALLOWED = "allowed"
    DENIED = "denied"  # by a rule
    NOT_ALLOWED = "not allowed"  # by none of the ALLOW policies
    BAD_TOKEN = "bad token"  # noqa: S105 - no rule accepts its token
    CLOSED = "closed"  # a connection in the clear, where mTLS is asked for
    BY_AUTHORIZER = "refused by the authorizer"  # or nobody answered


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleName:
    """A rule of an AuthorizationPolicy, by number."""

    namespace: str
    name: str
    rule: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLine:
    """One request at one proxy. `rule` is the one that decided, `marks` those that only noted it."""

    time: str
    method: str
    path: str
    authority: str
    id: str
    status: int
    verdict: Verdict
    rule: RuleName | None = None
    why: str = ""
    marks: tuple[RuleName, ...] = ()


def read_line(line: str) -> AccessLine | None:
    """One line, without what the log's own format puts before it; None for any other output.

    Istio's own text and JSON are read; of a format of the user's nothing can be known.
    """
    if line.startswith("{"):
        return _read_json(line)
    found = _LINE.fullmatch(line.rstrip("\n"))
    if found is None:
        return None
    named = _NAMED.match(found["rest"])
    said = {
        "start_time": found["time"],
        "method": found["method"],
        "path": found["path"],
        "authority": named["authority"] if named else "",
        "request_id": named["id"] if named else "",
        "response_code": found["status"],
        "response_code_details": found["details"],
        "connection_termination_details": found["connection"],
    }
    return _line(said, _noted(found["rest"]))


def _read_json(line: str) -> AccessLine | None:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not str(said.get("response_code", "")).isdecimal():
        return None
    noted = said.get("policies")
    texts = {key: "-" if value is None else str(value) for key, value in said.items()}
    return _line(texts, {k: str(v) for k, v in noted.items()} if isinstance(noted, dict) else {})


def _line(said: Mapping[str, str], noted: Mapping[str, str]) -> AccessLine:
    details = said.get("response_code_details", "-")
    if details == "-":  # of a raw connection it is the connection's end that tells
        details = said.get("connection_termination_details", "-")
    verdict, rule, why = _judged(details, noted)
    marks = [rule_of(text) for key, text in sorted(noted.items()) if _is_mark(key)]
    return AccessLine(
        time=said.get("start_time", ""),
        method=said.get("method", ""),
        path=said.get("path", ""),
        authority=said.get("authority", ""),
        id=said.get("request_id", ""),
        status=int(said["response_code"]),
        verdict=verdict,
        rule=rule,
        why=why,
        marks=tuple(mark for mark in marks if mark),
    )


def rule_of(text: str) -> RuleName | None:
    """`ns[NS]-policy[NAME]-rule[N]`; None for anything else."""
    found = _RULE.fullmatch(text)
    if found is None:
        return None
    return RuleName(namespace=found["namespace"], name=found["name"], rule=int(found["rule"]))


def _noted(rest: str) -> Mapping[str, str]:
    """What the filters left, written at the very end."""
    _, brace, end = rest.rpartition(' {"')
    try:
        made = json.loads(brace.strip() + end) if brace else {}
    except ValueError:
        return {}
    return {key: str(value) for key, value in made.items()} if isinstance(made, dict) else {}


def _is_mark(key: str) -> bool:
    """Policies of action AUDIT, and those that are only tried."""
    tried = key.startswith("istio_dry_run_")
    return (tried or key.startswith(AUDITED)) and key.endswith("shadow_effective_policy_id")


def _judged(details: str, noted: Mapping[str, str]) -> tuple[Verdict, RuleName | None, str]:
    if denied := _DENIED.fullmatch(details):
        rule = rule_of(denied[1])
        return (Verdict.DENIED, rule, "") if rule else (Verdict.NOT_ALLOWED, None, "")
    if token := _TOKEN.fullmatch(details):
        return Verdict.BAD_TOKEN, None, token[1].replace("_", " ")
    if details == "filter_chain_not_found":
        return Verdict.CLOSED, None, ""
    if details in _ASKED:
        rule = rule_of(noted.get(f"{ASKED}shadow_effective_policy_id", ""))
        why = "it gave no answer" if details == "ext_authz_error" else ""
        return Verdict.BY_AUTHORIZER, rule, why
    return Verdict.ALLOWED, rule_of(noted.get("enforced_effective_policy_id", "")), ""
