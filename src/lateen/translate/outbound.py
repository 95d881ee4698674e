"""The outbound half of sidecars: listeners, route tables, backends, once for all that see the same.

In: Index, View.    Out: OutboundView.
Before: translate/listening.py, translate/backends.py        After: translate/plan.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from lateen.base.problem import Problem
from lateen.ir.backends import Backend, BackendId, EndpointSet
from lateen.ir.plan import HttpOut, Outbound, Role, RootSecret, SniffOut, SniOut, TcpOut, TlsSecret
from lateen.ir.routes import RouteTable, Split
from lateen.translate.backends import service_backends
from lateen.translate.credentials import client_credentials
from lateen.translate.faults import not_found
from lateen.translate.listening import Seen, listeners_of
from lateen.translate.localities import SOMEWHERE, Viewer
from lateen.translate.scope import ALL_OF_IT, ONE_WAY, Scope, Way, chosen_for
from lateen.translate.tables import TableMaker, aliases_of, sniffed_or_http
from lateen.translate.used import backends_in, used_backends
from lateen.translate.views import Index, Sight, viewer_of
from lateen.world.model import Service, Workload


class View(Struct, frozen=True, kw_only=True):
    """What two sidecars must share to be told the same: namespace, labels some rule looks at, ways out."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    allow_any: bool = True
    egress_proxy: Split | None = None
    ways: tuple[Way, ...] = ONE_WAY
    viewer: Viewer = SOMEWHERE


class OutboundView(Struct, frozen=True, kw_only=True):
    """The outbound half of every sidecar of one view."""

    view: View
    outbound: tuple[Outbound, ...]
    tables: tuple[RouteTable, ...]
    backends: tuple[Backend, ...]
    endpoints: tuple[EndpointSet, ...]
    secrets: tuple[TlsSecret, ...]
    roots: tuple[RootSecret, ...]
    problems: tuple[Problem, ...]


def view_of(index: Index, workload: Workload, *, allow_any: bool = True) -> View:
    """The view a workload's sidecar has."""
    have = workload.labels
    labels = _among({*index.mesh.source_keys, *index.destinations.source_keys}, have)
    chosen = chosen_for(index.world, workload)
    policy = index.world.mesh.outbound_traffic_policy
    allow_any = allow_any and (policy is None or policy.mode != "REGISTRY_ONLY")
    return View(
        namespace=workload.namespace,
        labels=labels,
        allow_any=allow_any if chosen.allow_any is None else chosen.allow_any,
        egress_proxy=chosen.egress_proxy,
        ways=chosen.ways,
        viewer=viewer_of(index, workload),
    )


def _among(keys: Iterable[str], labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, labels[key]) for key in sorted(keys) if key in labels)


def outbound_view(index: Index, view: View) -> OutboundView:
    """Work out the outbound half for all sidecars of a view."""
    ways = _seen(index, view)
    sight = ways[0].maker.sight if ways else _sight(index, view, ALL_OF_IT)
    problems = list(index.problems)
    backends: list[Backend] = []
    endpoints: list[EndpointSet] = []
    for service in dict.fromkeys(service for each in ways for service in each.services):
        made = index.once(
            service_backends, sight.client(Role.SIDECAR), service, sight.rules(service)
        )
        backends.extend(made.backends)
        endpoints.extend(made.endpoints)
        problems.extend(made.problems)
    secrets, roots, lacking = client_credentials(backends, index.world, view.namespace)
    problems.extend(lacking)
    outbound, refused = listeners_of(ways)
    tables, found = _tables(ways, outbound)
    wanted = backends_in(tables) | _poured(outbound)
    if proxy := view.egress_proxy:
        wanted.add(proxy.backend)
        if sight.service(proxy.backend.host) is None:
            problems.append(not_found(proxy.origin, f"host {proxy.backend.host}"))
    further = used_backends(wanted - {b.id for b in backends}, sight, Role.SIDECAR)
    backends.extend(further.backends)
    endpoints.extend(further.endpoints)
    problems.extend(further.problems)
    return OutboundView(
        view=view,
        outbound=outbound,
        tables=tables,
        backends=tuple(sorted(backends, key=lambda b: b.id)),
        endpoints=tuple(sorted(endpoints, key=lambda e: e.id)),
        secrets=secrets,
        roots=roots,
        problems=tuple(dict.fromkeys([*problems, *refused, *found])),
    )


def _sight(index: Index, view: View, scope: Scope) -> Sight:
    return Sight(
        index=index,
        namespace=view.namespace,
        labels=dict(view.labels),
        scope=scope,
        viewer=view.viewer,
    )


def maker_of(index: Index, view: View) -> TableMaker:
    """What makes the tables of a view that no Sidecar narrows, but for the names of ExternalNames."""
    return TableMaker(
        sight=_sight(index, view, ALL_OF_IT),
        rules=index.mesh,
        labels=dict(view.labels),
        aliases={},
        allow_any=view.allow_any,
        egress_proxy=view.egress_proxy,
    )


def _seen(index: Index, view: View) -> tuple[Seen, ...]:
    """What is seen through each way out."""
    found = []
    aliases = aliases_of(_sight(index, view, ALL_OF_IT)) if view.ways else {}
    for way in view.ways:
        sight = _sight(index, view, way.scope)
        maker = TableMaker(
            sight=sight,
            rules=index.mesh,
            labels=dict(view.labels),
            aliases=aliases,
            allow_any=view.allow_any,
            egress_proxy=view.egress_proxy,
        )
        found.append(Seen(way=way, maker=maker, services=sight.services()))
    return tuple(found)


def _poured(outbound: tuple[Outbound, ...]) -> set[BackendId]:
    """The backends that get raw connections."""
    found: set[BackendId] = set()
    for part in outbound:
        match part:
            case TcpOut() | SniffOut():
                found.update(split.backend for split in part.to)
            case SniOut():
                found.update(split.backend for _, to in part.by_host for split in to)
            case HttpOut():
                pass
    return found


def _tables(
    ways: tuple[Seen, ...], outbound: tuple[Outbound, ...]
) -> tuple[tuple[RouteTable, ...], list[Problem]]:
    """The tables that listeners name. A port's is that of the first way out which has the port."""
    made: dict[str, RouteTable] = {}
    problems: list[Problem] = []
    for listener in outbound:
        if isinstance(listener, TcpOut | SniOut) or listener.table in made:
            continue
        if listener.table != str(listener.port):
            seen = next(each for each in ways if not each.way.port)
            host = listener.table.rpartition(":")[0]
            owner = next(s for s in seen.services if s.host == host)
            made[listener.table], found = seen.maker.own_table(owner, listener.port)
        else:
            seen = next(each for each in ways if each.way.port in (0, listener.port))
            here = tuple(s for s in seen.services if routable(s, listener.port))
            made[listener.table], found = seen.maker.table(listener.port, here)
        problems.extend(found)
    return tuple(made[name] for name in sorted(made)), problems


def routable(service: Service, number: int) -> bool:
    """Whether a service has a place in the table of that port."""
    port = service.port(number)
    return port is not None and sniffed_or_http(port)
