"""Which VirtualServices speak for which host in the mesh.

In: VirtualServices in order of age.    Out: MeshRules, problems.
Before: translate/routes.py             After: translate/tables.py

Rules its own namespace alone may see come before those exported to it by name, and those before the
ones for everybody. An exact host comes before any wildcard, the more specific wildcard before the less, and of several
VirtualServices for one host the oldest holds.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from lateen.api.virtualservice import VirtualService
from lateen.base.problem import Problem
from lateen.translate.faults import claimed
from lateen.translate.hosts import MESH, full_host, is_wild, wild_candidates
from lateen.translate.routes import bound_gateways
from lateen.translate.scope import Scope
from lateen.world.model import Owned, exported


class MeshRules(Struct, frozen=True, kw_only=True):
    """The VirtualServices for the mesh by the hosts they name, oldest first.

    `source_keys` are the labels that some rule looks at: proxies alike in these are alike.
    """

    by_host: Mapping[str, tuple[Owned[VirtualService], ...]]
    source_keys: tuple[str, ...]
    problems: tuple[Problem, ...] = ()

    def claims(self, host: str, namespace: str, scope: Scope) -> list[Owned[VirtualService]]:
        """Who speaks for a host to a namespace's proxies, in order of precedence."""
        found = self.at(host, namespace, scope)
        for wild in wild_candidates(host):
            if wild != host:
                found.extend(self.at(wild, namespace, scope))
        return found

    def at(self, host: str, namespace: str, scope: Scope) -> list[Owned[VirtualService]]:
        """Those that name exactly this host, or this wildcard."""
        seen = [
            rule
            for rule in self.by_host.get(host, ())
            if visible(rule, namespace) and scope.rule(rule.typed.spec.hosts, rule.namespace)
        ]
        return sorted(seen, key=_breadth)


def visible(rule: Owned[VirtualService], namespace: str) -> bool:
    """Whether a VirtualService is exported to a namespace."""
    return exported(rule.typed.spec.export_to, rule.namespace, namespace)


def _source_keys(rule: VirtualService) -> set[str]:
    """The labels its conditions look at."""
    spec = rule.spec
    labels = [
        *(match.source_labels for rule in spec.http for match in rule.match),
        *(match.source_labels for rule in spec.tls for match in rule.match),
        *(match.source_labels for rule in spec.tcp for match in rule.match),
    ]
    return {key for each in labels for key in each}


def looks_at_source(rule: VirtualService) -> bool:
    """Whether its HTTP rules differ between the pods that send; those of a delegate may."""
    return any(
        http.delegate or any(m.source_labels or m.source_namespace for m in http.match)
        for http in rule.spec.http
    )


def _breadth(rule: Owned[VirtualService]) -> int:
    """How widely a rule is exported: to its own namespace, to some, to all."""
    to = rule.typed.spec.export_to
    if not to or "*" in to:
        return 2
    return 0 if to == (".",) else 1


def _meet(one: Owned[VirtualService], other: Owned[VirtualService]) -> bool:
    """Whether both have rules of one kind, some proxy sees both and neither is closer to it."""
    mine, others = one.typed.spec, other.typed.spec
    alike = any((mine.http and others.http, mine.tls and others.tls, mine.tcp and others.tcp))
    if not alike or _breadth(one) != _breadth(other):
        return False
    return _breadth(one) == 2 or bool(_namespaces(one) & _namespaces(other))


def _namespaces(rule: Owned[VirtualService]) -> set[str]:
    return {rule.namespace if to == "." else to for to in rule.typed.spec.export_to}


def mesh_rules(rules: tuple[Owned[VirtualService], ...]) -> MeshRules:
    """Index the VirtualServices that are for sidecars."""
    by_host: dict[str, list[Owned[VirtualService]]] = {}
    keys: set[str] = set()
    problems: list[Problem] = []
    for rule in rules:
        if MESH not in bound_gateways(rule):
            continue
        keys.update(_source_keys(rule.typed))
        for index, written in enumerate(rule.typed.spec.hosts):
            host = full_host(written, rule.namespace)
            same = by_host.setdefault(host, [])
            if rule in same:
                continue
            older = next((each for each in same if _meet(each, rule)), None)
            if older and not is_wild(host):
                origin = rule.origin(f"spec.hosts[{index}]")
                problems.append(claimed(origin, host, older.origin()))
            same.append(rule)
    return MeshRules(
        by_host={host: tuple(same) for host, same in sorted(by_host.items())},
        source_keys=tuple(sorted(keys)),
        problems=tuple(problems),
    )
