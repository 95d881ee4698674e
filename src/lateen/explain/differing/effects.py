"""What a route does to requests, part by part, in words that are equal where the parts do the same.

In: Route, the backends of its plan.      Out: Facet.
Before: ir/routes.py, ir/backends.py      After: differing/outward.py
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import assert_never

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from lateen.explain.differing.meshes import bare, short
from lateen.ir.backends import (
    Backend,
    BackendId,
    Ejection,
    EndpointSet,
    InMesh,
    Limits,
    MeshMtls,
    OriginateTls,
    Plaintext,
)
from lateen.ir.match import Prefix
from lateen.ir.plan import ProxyPlan
from lateen.ir.routes import (
    Elsewhere,
    Fault,
    Forward,
    HeaderChanges,
    Redirect,
    Respond,
    Retries,
    Rewrite,
    Route,
    Split,
)


class Area(StrEnum):
    """What a change is about; what concerns security comes first."""

    EXPOSURE = "reachable from outside"
    ACCESS = "access"
    MTLS = "mTLS"
    EGRESS = "leaving the mesh"
    ROUTING = "routing"
    RESILIENCE = "resilience"
    WORKLOADS = "workloads"


class Facet(Struct, frozen=True, kw_only=True):
    """One part of what becomes of a request. Two do the same if `does` is equal, whatever is said."""

    name: str
    area: Area
    said: str
    does: Hashable
    longer: str = ""  # what to say where `said` alone does not tell two apart
    parts: tuple[str, ...] = ()  # of which `said` is made, if each stands for itself
    origins: tuple[str, ...] = ()  # the rules it comes from, where that is not the route

    def apart(self, other: Facet | None) -> str:
        """What to say of it beside another."""
        if other is not None and (self.parts or other.parts):
            own = [part for part in self.parts if part not in other.parts]
            return ", ".join(own) or ("default" if self.parts else self.said)
        if other is None or other.said != self.said:
            return self.said
        said = self.longer or self.said
        return said if other.longer != self.longer else f"{said}, otherwise set"


NOTHING = Facet(name="answer", area=Area.ROUTING, said="404: no route", does="404")
_OUTSIDE = "outside"


class Known(Struct, frozen=True, dict=True):
    """The backends of one plan, each with what it leads to. `members`: by address, pods with a name of their own."""

    plan: ProxyPlan
    members: Mapping[str, str] = field(default_factory=dict)
    _does: dict[BackendId, Hashable] = field(default_factory=dict)

    @cached_property
    def backends(self) -> Mapping[BackendId, Backend]:
        """By their ids."""
        return {each.id: each for each in self.plan.backends}

    @cached_property
    def endpoints(self) -> Mapping[BackendId, EndpointSet]:
        """By the backend's id."""
        return {each.id: each for each in self.plan.endpoints}

    def behind(self, backend: BackendId) -> Hashable:
        """Who answers: the workloads behind it, or the names outside."""
        if backend not in self._does:
            self._does[backend] = self._behind(backend)
        return self._does[backend]

    def _behind(self, backend: BackendId) -> Hashable:
        known = self.backends.get(backend)
        if known and not isinstance(known.discovery, InMesh):
            return (_OUTSIDE, bare(known.discovery.destinations))
        found = self.endpoints.get(backend)
        return frozenset(
            (
                *(e.namespace, self.members.get(e.address) or e.workload or e.address, e.port),
                *(e.mtls, str(e.locality), e.priority, e.share),
            )
            for e in (found.endpoints if found else ())
        )

    def leaves(self, backend: BackendId) -> bool:
        """Whether what is sent there leaves the mesh."""
        known = self.backends.get(backend)
        return known is not None and not isinstance(known.discovery, InMesh)

    def named(self, backend: BackendId, at: str = "") -> str:
        """The backend and who is behind it, in words."""
        behind = self.behind(backend)
        if isinstance(behind, frozenset):
            names = sorted({f"{name}:{port}" for _, name, port, *_ in behind})
            return f"{_label(backend, at)} ({', '.join(names) or 'no pods'})"
        return _label(backend, at)


def _label(backend: BackendId, at: str = "") -> str:
    """A backend's name; of those `at` the host that was asked for the subset will do."""
    subset = f" {backend.subset}" if backend.subset else ""
    if subset and backend.host == at:
        return backend.subset
    port = "" if backend.port in (80, 443) else f":{backend.port}"
    return f"{short(backend.host)}{port}{subset}"


def facets(route: Route | None, known: Known, at: str = "") -> tuple[Facet, ...]:
    """All parts of what a route does for requests to the host `at`; None for no route."""
    if route is None:
        return (NOTHING,)
    return tuple(_facets(route, known, at))


def _facets(route: Route, known: Known, at: str) -> Iterator[Facet]:
    action = route.action
    match action:
        case Forward():
            yield shares("answer", action.splits, known, at)
            yield from _of_forward(route, action, known)
        case Redirect():
            yield _plain("answer", Area.ROUTING, _redirect(action), bare(action))
        case Respond():
            yield _plain("answer", Area.ROUTING, f"answered {action.status}", bare(action))
        case Elsewhere():
            yield elsewhere(action is Elsewhere.PASSTHROUGH)
        case _:
            assert_never(action)
    if route.fault and _fault(route.fault):
        yield _plain("fault", Area.RESILIENCE, _fault(route.fault), bare(route.fault))
    if route.cors:
        yield _plain("CORS", Area.ACCESS, _cors(route), bare(route.cors))
    for name, changes in (
        ("request headers", route.request_headers),
        ("response headers", route.response_headers),
    ):
        if changes != HeaderChanges():
            yield _plain(name, Area.ROUTING, _headers(changes), bare(changes))


def elsewhere(passes: bool) -> Facet:
    """What becomes of what nobody in the mesh claims."""
    said = "leaves the mesh to the address dialled" if passes else "refused: no such service"
    return _plain("answer", Area.EGRESS, said, said)


def shares(name: str, splits: Iterable[Split], known: Known, at: str = "") -> Facet:
    """Where requests go, in percent."""
    weights: dict[tuple[str, int, Hashable], int] = {}
    labels: dict[tuple[str, int, Hashable], BackendId] = {}
    for split in splits:
        backend = split.backend
        changed = (bare(split.request_headers), bare(split.response_headers))
        key = (backend.host, backend.port, (known.behind(backend), changed))
        if split.weight or not weights:
            weights[key] = weights.get(key, 0) + split.weight
            labels.setdefault(key, backend)
    total = sum(weights.values()) or 1
    parts = [(100 * weight / total, labels[key]) for key, weight in weights.items()]
    leaves = any(known.leaves(backend) for backend in labels.values())
    return Facet(
        name=name,
        area=Area.EGRESS if leaves else Area.ROUTING,
        said=", ".join(f"{share:.3g} % {_label(backend, at)}" for share, backend in parts),
        does=("shares", frozenset((key, weight / total) for key, weight in weights.items())),
        longer=", ".join(f"{share:.3g} % {known.named(backend, at)}" for share, backend in parts),
    )


def _of_forward(route: Route, action: Forward, known: Known) -> Iterator[Facet]:
    said = f"{action.timeout:g} s" if action.timeout else "none"
    yield _plain("timeout", Area.RESILIENCE, said, action.timeout)
    yield _plain("retries", Area.RESILIENCE, _retries(action.retries), bare(action.retries))
    if action.rewrite:
        yield _rewrite(route, action.rewrite)
    if action.mirrors:
        said = ", ".join(f"{m.percent:g} % to {_label(m.backend)}" for m in action.mirrors)
        does = frozenset(
            (known.behind(m.backend), m.backend.host, m.percent) for m in action.mirrors
        )
        yield _plain("mirror", Area.ROUTING, said, does)
    if action.hashed:
        said = ", ".join(str(bare(each)[1:]) for each in action.hashed)
        yield _plain("hashed by", Area.ROUTING, said, bare(action.hashed))
    for backend in dict.fromkeys(split.backend for split in action.splits if split.weight):
        yield from connection(backend, known)


def connection(backend: BackendId, known: Known) -> Iterator[Facet]:
    """How a backend is connected to."""
    found = known.backends.get(backend)
    if found is None:
        return
    origins = tuple(str(each) for each in found.policies or (found.origin,))
    for facet in _connection(found):
        yield replace(facet, name=f"{facet.name} {_label(backend)}", origins=origins)


def _connection(found: Backend) -> Iterator[Facet]:
    match found.security:
        case MeshMtls(auto=auto):
            said = "mTLS where there is a proxy" if auto else "mTLS"
            yield _plain("to", Area.MTLS, said, said)
        case Plaintext():
            yield _plain("to", Area.MTLS, "plaintext", "plaintext")
        case OriginateTls(sni=sni, verify=verify):
            said = f"TLS{f' for {sni}' if sni else ''}{'' if verify else ', not verified'}"
            yield _plain("to", Area.MTLS, said, bare(found.security))
        case _:
            assert_never(found.security)
    yield _plain("protocol to", Area.ROUTING, found.wire.value, found.wire)
    balance = (found.balance, found.by_place, found.hashing, found.by_source, found.warmup)
    yield _plain("balance to", Area.ROUTING, found.balance.value, bare(balance))
    yield _settings("limits to", found.limits, Limits())
    yield _settings("outlier detection of", found.ejection, None)
    if found.tunnel or found.proxy_protocol:
        does = bare((found.tunnel, found.proxy_protocol))
        yield _plain("tunnel to", Area.ROUTING, str(does), does)


def _settings(name: str, value: Limits | Ejection | None, defaults: Limits | None) -> Facet:
    """Settings of which those that differ are said."""
    given = asdict(value) if value else {}
    parts = tuple(
        f"{name.replace('_', ' ')} {said:g}"
        if isinstance(said, float)
        else f"{name.replace('_', ' ')} {'no limit' if said is None else said}"
        for name, said in given.items()
        if name != "origin" and (defaults is None or said != getattr(defaults, name))
    )
    said = ", ".join(parts) or ("default" if value else "none")
    return Facet(name=name, area=Area.RESILIENCE, said=said, does=bare(value), parts=parts)


def _plain(name: str, area: Area, said: str, does: Hashable) -> Facet:
    return Facet(name=name, area=area, said=said, does=does)


def _redirect(action: Redirect) -> str:
    to = action.authority or "the same host"
    path = action.path or (f"{action.prefix}…" if action.prefix else "")
    scheme = f"{action.scheme}://" if action.scheme else ""
    port = f":{action.port}" if action.port else ""
    return f"redirected ({action.code}) to {scheme}{to}{port}{path}"


def _fault(fault: Fault) -> str:
    parts = []
    if fault.delay and fault.delay_percent:
        parts.append(f"{fault.delay_percent:g} % delayed by {fault.delay:g} s")
    if fault.abort_percent and (fault.abort_status or fault.abort_grpc):
        parts.append(f"{fault.abort_percent:g} % answered {fault.abort_grpc or fault.abort_status}")
    return ", ".join(parts)


def _retries(retries: Retries | None) -> str:
    if retries is None or not retries.attempts:
        return "none"
    per_try = f", {retries.per_try_timeout:g} s each" if retries.per_try_timeout else ""
    on = ",".join([*retries.on, *map(str, retries.statuses)])
    return f"{retries.attempts}{per_try} on {on}"


def _rewrite(route: Route, rewrite: Rewrite) -> Facet:
    """Equal ends of the old and the new prefix are of no account: each path becomes the same."""
    said = [f"host {rewrite.authority}"] if rewrite.authority else []
    does: Hashable = bare(rewrite)
    if rewrite.pattern:
        said.append(f"path: {rewrite.pattern} becomes {rewrite.substitution}")
    elif rewrite.path:
        taken = route.match.path
        old, new = (taken.text if isinstance(taken, Prefix) else ""), rewrite.path
        said.append(f"path: {old or 'all of it'} becomes {new}")
        while old and new and old[-1] == new[-1]:
            old, new = old[:-1], new[:-1]
        does = (type(taken).__name__, old, new, rewrite.authority)
    return _plain("rewrite", Area.ROUTING, "; ".join(said), does)


def _cors(route: Route) -> str:
    origins = route.cors.origins if route.cors else ()
    texts = [getattr(each, "text", "any") for each in origins]
    return f"scripts from {', '.join(texts) or 'nowhere'} may call"


def _headers(changes: HeaderChanges) -> str:
    parts = [f"{name}: {value}" for name, value in changes.set]
    parts += [f"+{name}: {value}" for name, value in changes.add]
    parts += [f"-{name}" for name in changes.remove]
    return ", ".join(parts)
