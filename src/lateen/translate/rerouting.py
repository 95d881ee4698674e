"""The route tables of a view anew, when VirtualServices changed and nothing else did.

In: the World before, the Index of the world now, tables made before.    Out: tables, problems; or None: plan anew.
Before: translate/tables.py        After: stages/rerouting.py

Only the virtual hosts of the services those rules speak of are made anew. That holds for rules of requests
to services by their full names, alike for all pods of a namespace, where no Sidecar narrows what is seen:
then listeners, backends and all other hosts are what they were.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.virtualservice import VirtualService
from lateen.base.origin import ObjectKey
from lateen.base.problem import Problem
from lateen.ir.routes import RouteTable, VirtualHost
from lateen.translate.claims import looks_at_source
from lateen.translate.hosts import MESH, full_host, is_wild
from lateen.translate.outbound import View, maker_of, routable
from lateen.translate.routes import Translated, bound_gateways
from lateen.translate.scope import ONE_WAY
from lateen.translate.tables import TableMaker
from lateen.translate.views import Index
from lateen.world.model import Owned, Service, Shape, World

_FOREIGN_PORT = 80  # where a host gets a table's place though no service of it has the port
_Rules = Mapping[ObjectKey, Owned[VirtualService]]


class Rewritten(Struct, frozen=True, kw_only=True):
    """VirtualServices that came, went or changed: their keys, the hosts they speak of, for whom."""

    keys: frozenset[ObjectKey]
    hosts: tuple[tuple[str, ...], ...]  # of each rule
    at_gateways: bool


def rewritten(before: World, now: World) -> Rewritten | None:
    """The rules that differ; None where one does more than route requests to services."""
    olds, news = _by_key(before), _by_key(now)
    keys = {key for key in (*olds, *news) if _differ(olds.get(key), news.get(key))}
    rules = [r for key in keys for r in (olds.get(key), news.get(key)) if r is not None]
    if not all(map(_only_routes, rules)):
        return None
    return Rewritten(
        keys=frozenset(keys),
        hosts=tuple(sorted({hosts for rule in rules if (hosts := _hosts(rule))})),
        at_gateways=any(set(bound_gateways(rule)) != {MESH} for rule in rules),
    )


def _by_key(world: World) -> _Rules:
    return {rule.obj.key: rule for rule in world.virtual_services}


def _differ(old: Owned[VirtualService] | None, new: Owned[VirtualService] | None) -> bool:
    if old is None or new is None:
        return old is not new
    return old.typed.spec != new.typed.spec or old.obj.places != new.obj.places


def _hosts(rule: Owned[VirtualService]) -> tuple[str, ...]:
    """The hosts it speaks of to sidecars."""
    if MESH not in bound_gateways(rule):
        return ()
    return tuple(full_host(host, rule.namespace) for host in rule.typed.spec.hosts)


def _only_routes(rule: Owned[VirtualService]) -> bool:
    spec = rule.typed.spec
    return bool(
        spec.hosts
        and not spec.tls
        and not spec.tcp
        and not looks_at_source(rule.typed)
        and not any(map(is_wild, _hosts(rule)))
    )


def rerouted_tables(
    index: Index, view: View, tables: tuple[RouteTable, ...], hosts: tuple[tuple[str, ...], ...]
) -> tuple[tuple[RouteTable, ...], tuple[Problem, ...]] | None:
    """The tables with these hosts made anew, by rule; a table without one is the same object."""
    if view.ways != ONE_WAY:
        return None
    rules = [tuple(index.world.service(h, view.namespace) for h in some) for some in hosts]
    known = [tuple(s for s in some if s and s.shape is not Shape.EXTERNAL_NAME) for some in rules]
    if known != rules:
        return None
    maker = maker_of(index, view)
    problems: list[Problem] = []
    made = []
    for table in tables:
        here: list[tuple[Service, int]] = []
        for services in known:
            some = _here(table.name, services)
            if some is None:
                return None
            here.extend(some)
        done: dict[int, Translated] = {}
        made.append(_with(table, here, maker, done))
        problems.extend(p for translated in done.values() for p in translated.problems)
    return tuple(made), tuple(problems)


def _here(name: str, services: tuple[Service, ...]) -> list[tuple[Service, int]] | None:
    """Those of a rule's services that have a place in the table, and their port there.

    None where the rule could stand for a host that no service has on the port.
    """
    host, _, number = name.rpartition(":")
    port = int(number)
    if host:
        return [(s, port) for s in services if s.host == host]
    here = [(s, port) for s in services if routable(s, port)]
    mixed = len(here) < len(services) and (here or port == _FOREIGN_PORT)
    return None if mixed else here


def _with(
    table: RouteTable,
    services: list[tuple[Service, int]],
    maker: TableMaker,
    done: dict[int, Translated],
) -> RouteTable:
    found = {f"{service.host}:{port}": (service, port) for service, port in services}
    fresh: dict[int, VirtualHost] = {}
    for at, host in enumerate(table.hosts if found else ()):
        if host.name in found:
            anew = maker.host_again(host, *found[host.name], done)
            if anew != host:
                fresh[at] = anew
    if not fresh:
        return table
    return replace(table, hosts=tuple(fresh.get(at, h) for at, h in enumerate(table.hosts)))
