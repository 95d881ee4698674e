"""Whom proxies believe about callers, and what they add to messages, in two meshes.

In: the Manners of a proxy before and after.    Out: Change.
Before: ir/manners.py, differing/changes.py     After: differing/whole.py
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import asdict

from lateen.api.interception import Interception
from lateen.explain.differing.changes import Change
from lateen.explain.differing.effects import Area
from lateen.ir.manners import Manners, Patience
from lateen.ir.plain import plain

# What a caller is known by: policies, or apps, go by it.
_TRUST = {
    "trusted_proxies": "proxies in front of it that are believed",
    "proxy_protocol": "PROXY protocol in front of it",
    "certificate": "x-forwarded-client-cert",
    "cert_parts": "what is told of certificates",
}
_HEADERS = {
    "server": "header server",
    "request_id": "makes x-request-id",
    "attempt_count": "adds x-envoy-attempt-count",
    "debug_headers": "adds x-envoy- headers",
    "forwarded_host": "adds x-forwarded-host",
    "forwarded_port": "adds x-forwarded-port",
    "keeps_case": "keeps the case of header names",
    "http10": "answers HTTP/1.0",
}


def changed_manners(name: str, old: Manners, new: Manners) -> Iterator[Change]:
    """What is different of one proxy; what security may hang on apart from the rest."""
    before, after = asdict(old), asdict(new)
    for area, words in ((Area.ACCESS, _TRUST), (Area.ROUTING, _HEADERS)):
        for field, what in words.items():
            if before[field] != after[field]:
                yield Change(
                    area=area,
                    sources=("every caller",),
                    targets=(name,),
                    requests=(what,),
                    before=_said(before[field]),
                    after=_said(after[field]),
                )
    yield from _patience(name, old.patience, new.patience)


def changed_interception(name: str, old: Interception, new: Interception) -> Iterator[Change]:
    """What goes past a proxy now and did not before, or the other way round."""
    if old != new:
        yield Change(
            area=Area.ACCESS,
            sources=("every caller",),
            targets=(name,),
            requests=("what goes past its proxy",),
            before=_spared(old),
            after=_spared(new),
        )


def _spared(interception: Interception) -> str:
    taken = interception.only_inbound
    parts = {
        "in at": tuple(map(str, interception.inbound)),
        "in but at": None if taken is None else tuple(map(str, taken)) or ("no port",),
        "out to": (*map(str, interception.outbound), *interception.networks),
    }
    said = (f"{way} {', '.join(which)}" for way, which in parts.items() if which)
    return "; ".join(said) or "nothing"


def _patience(name: str, old: Patience, new: Patience) -> Iterator[Change]:
    """What clients' connections and requests are held to."""
    after = asdict(new)
    for field, was in asdict(old).items():
        if was != after[field]:
            yield Change(
                area=Area.RESILIENCE,
                sources=("every caller",),
                targets=(name,),
                requests=(f"limit of {field.replace('_', ' ')}",),
                before=_said(was),
                after=_said(after[field]),
            )


def _said(value: object) -> str:
    match plain(value):
        case bool() as wish:
            return "yes" if wish else "no"
        case list() as parts:
            return ", ".join(parts) or "nothing"
        case None:
            return "Envoy's own"
        case "":
            return "the app's own"
        case other:
            return str(other)
