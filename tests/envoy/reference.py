"""What Istio's reference says of AuthorizationPolicies, in few words, and with nothing of lateen's in it.

It reads policies as users write them. Where Istio's words leave room, a request is read in the way that
refuses it: methods in any case and hosts with any port where to match is to be refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from lateen.explain.request import Request

Tree = dict[str, Any]
HTTP_FIELDS = {"requestPrincipals", "hosts", "methods", "paths"}
HTTP_KEYS = ("request.",)


def lets_in(policies: Iterable[Tree], request: Request, *, http: bool) -> bool:
    """Whether DENY and ALLOW policies, given by their specs, let a request (or connection) in."""
    by_action: dict[str, list[Tree]] = {"DENY": [], "ALLOW": []}
    for spec in policies:
        by_action[spec.get("action", "ALLOW")].append(spec)
    if any(_matches(spec, request, http) for spec in by_action["DENY"]):
        return False
    allowing = by_action["ALLOW"]
    return not allowing or any(_matches(spec, request, http) for spec in allowing)


def _matches(spec: Tree, request: Request, http: bool) -> bool:
    refuses = spec.get("action") == "DENY"
    for rule in spec.get("rules", []):
        parts = list(_parts(rule))
        if not http and not refuses and any(_is_http(field) for part in parts for field in part):
            continue  # allows nothing where it cannot be judged
        one = _Judge(request, refuses, http).holds
        if (
            _any(one, [each["source"] for each in rule.get("from", [])])
            and _any(one, [each["operation"] for each in rule.get("to", [])])
            and all(one(_as_fields(each)) for each in rule.get("when", []))
        ):
            return True
    return False


def _parts(rule: Tree) -> Iterator[Tree]:
    yield from (each["source"] for each in rule.get("from", []))
    yield from (each["operation"] for each in rule.get("to", []))
    yield from (_as_fields(each) for each in rule.get("when", []))


def _any(holds: Callable[[Tree], bool], alternatives: list[Tree]) -> bool:
    return not alternatives or any(map(holds, alternatives))


def _as_fields(condition: Tree) -> Tree:
    names = {"values": condition["key"], "notValues": f"not {condition['key']}"}
    return {names[key]: values for key, values in condition.items() if key in names}


def _positive(field: str) -> tuple[str, bool]:
    if field.startswith("not "):
        return field[4:], False
    if field.startswith("not"):
        return field[3].lower() + field[4:], False
    return field, True


def _is_http(field: str) -> bool:
    name = _positive(field)[0]
    return name in HTTP_FIELDS or name.startswith(HTTP_KEYS)


class _Judge:
    def __init__(self, request: Request, refuses: bool, http: bool) -> None:
        self.request, self.refuses, self.http = request, refuses, http

    def holds(self, fields: Tree) -> bool:
        """Whether all of these fields hold; what needs HTTP is left out where there is none."""
        judged = ((*_positive(field), values) for field, values in fields.items())
        return all(
            any(self._fits(name, value, strict=positive is self.refuses) for value in values)
            is positive
            for name, positive, values in judged
            if self.http or not _is_http(name)
        )

    def _fits(self, name: str, value: str, *, strict: bool) -> bool:
        request = self.request
        peer = re.fullmatch(r"spiffe://((.+)/ns/([^/]+)/sa/([^/]+))", request.peer)
        claims: Any = request.claims or {}
        if key := re.fullmatch(r"request\.headers\[(.+)\]", name):
            return _text(value, dict(request.headers).get(key[1].lower()))
        if key := re.fullmatch(r"request\.auth\.claims\[(.+)\]", name):
            for part in key[1].split("]["):
                claims = claims.get(part) if isinstance(claims, dict) else None
            return _claim(value, claims)
        match name:
            case "principals" | "source.principal":
                return _text(value, peer and peer[1])
            case "namespaces" | "source.namespace":
                return _text(value, peer and peer[3])
            case "serviceAccounts" | "source.serviceAccount":
                home, _, account = value.rpartition("/")
                return peer is not None and (home or "shop", account) == (peer[3], peer[4])
            case "trustDomains" | "source.trustDomain":
                return _text(value, peer and peer[2])
            case "ipBlocks" | "source.ip":
                return _within(value, request.source)
            case "remoteIpBlocks" | "remote.ip":
                return _within(value, request.client)
            case "destination.ip":
                return _within(value, request.address)
            case "ports" | "destination.port":
                return int(value) == request.port
            case "hosts":
                return _host(value.lower(), request.authority.lower())
            case "methods" if strict:
                return _text(value.lower(), request.method.lower())
            case "methods":
                return _text(value, request.method)
            case "paths":
                return _path(value, request.path.partition("?")[0])
            case "connection.sni":
                return _text(value.lower(), request.sni.lower() or None)
            case "requestPrincipals" | "request.auth.principal":
                return _principal(value, claims)
            case "request.auth.audiences":
                return _claim(value, claims.get("aud"))
            case "request.auth.presenter":
                return _claim(value, claims.get("azp"))
        raise AssertionError(name)


def _text(pattern: str, text: str | None) -> bool:
    if text is None:
        return False
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _claim(pattern: str, claim: object) -> bool:
    texts = claim if isinstance(claim, list) else [claim]
    return any(bool(each) and _text(pattern, each) for each in texts if isinstance(each, str))


def _principal(pattern: str, claims: Tree) -> bool:
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or not isinstance(subject, str):
        return False
    wanted_issuer, slash, wanted_subject = pattern.rpartition("/")
    if slash:
        return _text(wanted_issuer, issuer) and _text(wanted_subject, subject)
    return (
        pattern == "*"
        or (pattern[0] == "*" and subject.endswith(pattern[1:]))
        or (pattern[-1] == "*" and issuer.startswith(pattern[:-1]))
    )


def _host(pattern: str, host: str) -> bool:
    bare = re.sub(r"\.?(:[0-9]*)?$", "", host)
    by_name = not pattern.endswith("*") and _text(pattern, bare)
    return _text(pattern, host) or by_name


def _path(pattern: str, path: str) -> bool:
    if "{" not in pattern:
        return _text(pattern, path)
    parts = [{"{*}": "[^/]+", "{**}": ".*"}.get(p, re.escape(p)) for p in pattern.split("/")]
    return re.fullmatch("/".join(parts), path) is not None


def _within(block: str, address: str) -> bool:
    return bool(address) and ip_address(address) in ip_network(block, strict=False)
