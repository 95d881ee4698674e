"""Read `telemetry` of `lateen.yaml`: what is kept of what is observed, and where it is handed on to.

In: the mapping as written, the environment.    Out: Observing; what is wrong, by path.
Before: base/observing.py                       After: sources/project.py, cli/up.py

    telemetry:
      otlp:
        endpoint: http://127.0.0.1:4318        # spans and logs go there, by OTLP over HTTP
        headers: {x-api-key: secret}
      keep:                                    # whichever comes first; these are the usual ones
        metrics: {age: 12h, size: 512Mi, series: 200000}
        traces: {age: 6h, size: 256Mi}
        logs: {age: 168h, size: 1Gi}

The environment, too, may say where to (`LATEEN_OTLP_EXPORT`, `LATEEN_OTLP_HEADERS`): then lateen.yaml need hold no secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from lateen.api.fields import Duration
from lateen.api.paths import child
from lateen.api.quantity import whole
from lateen.base.errors import EnvironmentFault
from lateen.base.observing import MIB, Collector, Kept, Observing

EXPORT, HEADERS = "LATEEN_OTLP_EXPORT", "LATEEN_OTLP_HEADERS"
LEAST_AGE, LEAST_BYTES, LEAST_SERIES = 60.0, 16 * MIB, 1000
_ENDPOINT = (
    "http://HOST:PORT or https://HOST:PORT, with or without a path that /v1/traces comes after"
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
Tell = Callable[[str, str], None]
Look = Callable[[str, object, tuple[str, ...] | None], Mapping[str, Any]]
"""A mapping as it is written at a path; with keys, others are faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How a mapping is looked at, and how a fault is told."""

    look: Look
    tell: Tell


def read_telemetry(value: object, path: str, telling: Telling) -> Observing:
    """What is said, and the usual values for the rest."""
    top = telling.look(path, value, ("otlp", "keep"))
    keep = telling.look(child(path, "keep"), top.get("keep") or {}, ("metrics", "traces", "logs"))
    found: dict[str, Any] = {}
    for what, keys in (
        ("metrics", ("age", "size", "series")),
        ("traces", ("age", "size")),
        ("logs", ("age", "size")),
    ):
        at = child(child(path, "keep"), what)
        for key, written in telling.look(at, keep.get(what) or {}, keys).items():
            if key in keys:
                name, read = _READERS[key]
                try:
                    found[f"{what}_{name}"] = read(written)
                except ValueError as fault:
                    telling.tell(child(at, key), f"{fault}, got {written!r}")
    said = top.get("otlp")
    collector = None if said is None else _collector(said, child(path, "otlp"), telling)
    return Observing(kept=Kept(**found), collector=collector)


def _age(written: object) -> float:
    wanted = "wanted a time of at least 1m, such as 12h or 90m"
    try:
        seconds = Duration.parse(str(written)).seconds
    except ValueError:
        raise ValueError(wanted) from None
    if seconds < LEAST_AGE:
        raise ValueError(wanted)
    return seconds


def _size(written: object) -> int:
    wanted = "wanted a size of at least 16Mi, such as 512Mi or 2Gi"
    if not isinstance(written, str | int) or isinstance(written, bool):
        raise ValueError(wanted)
    try:
        size = whole(written)
    except ValueError:
        raise ValueError(wanted) from None
    if size < LEAST_BYTES:
        raise ValueError(wanted)
    return size


def _series(written: object) -> int:
    if type(written) is not int or written < LEAST_SERIES:
        raise ValueError(f"wanted a whole number of at least {LEAST_SERIES}")
    return written


_READERS: dict[str, tuple[str, Callable[[object], float]]] = {
    "age": ("age", _age),
    "size": ("bytes", _size),
    "series": ("series", _series),
}


def _collector(value: object, path: str, telling: Telling) -> Collector | None:
    entry = telling.look(path, value, ("endpoint", "headers"))
    headers = telling.look(child(path, "headers"), entry.get("headers") or {}, None)
    for name, text in headers.items():
        if fault := header_fault(name, text):
            telling.tell(child(child(path, "headers"), name), fault)
    endpoint = entry.get("endpoint")
    if fault := endpoint_fault(endpoint):
        if isinstance(value, dict):
            telling.tell(child(path, "endpoint"), fault)
        return None
    texts = {name: text for name, text in headers.items() if isinstance(text, str)}
    return Collector(endpoint=str(endpoint), headers=texts)


def endpoint_fault(endpoint: object) -> str:
    """Why an address cannot be one; "" for one that can."""
    if not endpoint:
        return f"required: {_ENDPOINT}"
    try:
        parts = urlsplit(endpoint if isinstance(endpoint, str) else "")
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of the port
        good = False
    if not good or parts.query or parts.fragment:
        return f"wanted {_ENDPOINT}, got {endpoint!r}"
    return ""


def header_fault(name: str, text: object) -> str:
    """Why a header cannot be one; its text, which may be secret, is not told."""
    if not _NAME.fullmatch(name):
        return f'"{name}" cannot be a header\'s name'
    if not isinstance(text, str) or not text.isprintable():
        return "wanted a text in one line"
    return ""


def with_environment(said: Observing, environ: Mapping[str, str]) -> Observing:
    """What lateen.yaml says, and over it the environment; raises EnvironmentFault."""
    endpoint = environ.get(EXPORT, "")
    pairs = (each.partition("=") for each in environ.get(HEADERS, "").split(",") if each)
    headers = {name.strip(): unquote(value.strip()) for name, _, value in pairs}
    for name, text in headers.items():
        if fault := header_fault(name, text):
            raise EnvironmentFault(f"{HEADERS}: {fault}")
    if endpoint and (fault := endpoint_fault(endpoint)):
        raise EnvironmentFault(f"{EXPORT}: {fault}")
    before = said.collector
    if endpoint:
        collector = Collector(endpoint=endpoint, headers=headers)
    elif before and headers:
        collector = Collector(endpoint=before.endpoint, headers={**before.headers, **headers})
    else:
        return said
    return Observing(kept=said.kept, collector=collector)
