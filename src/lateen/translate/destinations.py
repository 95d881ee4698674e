"""Find the DestinationRule for a host and settle its precedence.

In: DestinationRules in order of age.    Out: DestinationIndex, Effective.
Before: translate/hosts.py               After: translate/backends.py

Istio's order: the client's namespace, the service's, the root namespace; in each the exact host,
else the most specific wildcard. Rules of one namespace for one host are merged: the subsets of all,
the traffic policy of the oldest that has one. A port's settings stand in for the whole policy
around them; a subset's settings replace those of the host field by field. A rule for chosen pods comes
before one for all of its namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.destinationrule import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    DestinationRule,
    LoadBalancerSettings,
    OutlierDetection,
    PortTrafficPolicy,
    ProxyProtocol,
    RetryBudget,
    Subset,
    TrafficPolicy,
    TunnelSettings,
)
from lateen.api.meshconfig import DefaultTrafficPolicy
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.translate.faults import overruled
from lateen.translate.hosts import full_host, wild_candidates
from lateen.world.model import ROOT_NAMESPACE, Owned, Service, exported

V = TypeVar("V")
W = TypeVar("W")


class Place(Protocol):
    """What knows where its fields stand."""

    def origin(self, path: str = "", /) -> Origin:
        """The place of a field."""
        ...


class OfTheMesh:
    """The mesh's settings, as what stands behind every DestinationRule."""

    def origin(self, path: str = "", /) -> Origin:
        """Told in words: no rule is at fault for them."""
        return Origin(field=f"by the mesh's {path}")


class From(Struct, Generic[V], frozen=True, kw_only=True):
    """A setting, and the rule and field path where it stands."""

    value: V
    rule: Place
    path: str

    @property
    def origin(self) -> Origin:
        """The setting's origin."""
        return self.rule.origin(self.path)

    def part(self, value: W | None, name: str) -> From[W] | None:
        """One field of it, or None where it is not set."""
        if value is None:
            return None
        return From(value=value, rule=self.rule, path=f"{self.path}.{name}")


class Effective(Struct, frozen=True, kw_only=True):
    """The traffic policy that holds for one port or subset of a host."""

    balance: From[LoadBalancerSettings] | None = None
    pool: From[ConnectionPoolSettings] | None = None
    outlier: From[OutlierDetection] | None = None
    tls: From[ClientTLSSettings] | None = None
    tunnel: TunnelSettings | None = None
    proxy_protocol: ProxyProtocol | None = None
    budget: RetryBudget | None = None

    def over(self, base: Effective) -> Effective:
        """The same, with the limits and the outlier detection of another where it has none."""
        return replace(self, pool=self.pool or base.pool, outlier=self.outlier or base.outlier)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where its parts were set."""
        parts = (self.balance, self.pool, self.outlier, self.tls)
        return tuple(dict.fromkeys(part.origin for part in parts if part))


NOTHING = Effective()
_MESH = OfTheMesh()


def mesh_effective(policy: DefaultTrafficPolicy | None) -> Effective:
    """What `defaultTrafficPolicy` of the mesh's settings says."""
    if policy is None:
        return NOTHING
    whole = From(value=policy, rule=_MESH, path="defaultTrafficPolicy")
    return Effective(
        pool=whole.part(policy.connection_pool, "connectionPool"),
        outlier=whole.part(policy.outlier_detection, "outlierDetection"),
    )


class Destinations(Struct, frozen=True, kw_only=True):
    """All rules of one namespace for one host, merged."""

    policy: From[TrafficPolicy] | None
    subsets: Mapping[str, From[Subset]]

    def effective(self, port: int, subset: str = "") -> Effective:
        """What holds for that port, of that subset."""
        host = _settings(self.policy, port)[0] if self.policy else NOTHING
        chosen = self.subsets.get(subset)
        policy = chosen.part(chosen.value.traffic_policy, "trafficPolicy") if chosen else None
        if policy is None:
            return host
        own, by_port = _settings(policy, port)
        if by_port:
            return own
        return Effective(
            balance=own.balance or host.balance,
            pool=own.pool or host.pool,
            outlier=own.outlier or host.outlier,
            tls=own.tls or host.tls,
            tunnel=own.tunnel,
            proxy_protocol=own.proxy_protocol or host.proxy_protocol,
            budget=own.budget or host.budget,
        )


NO_RULES = Destinations(policy=None, subsets={})


class Group(Struct, frozen=True, kw_only=True):
    """The rules of one namespace for one host that are for the same clients, merged."""

    selector: tuple[tuple[str, str], ...]
    export_to: tuple[str, ...]
    merged: Destinations

    def holds(self, owner: str, client: str, labels: Mapping[str, str]) -> bool:
        """Whether a client goes by them; pods are chosen in the rule's own namespace only."""
        if self.selector and (client != owner or not set(self.selector) <= set(labels.items())):
            return False
        return exported(self.export_to, owner, client)


class DestinationIndex(Struct, frozen=True, kw_only=True):
    """Merged rules by namespace and by host, and the labels that their selectors look at."""

    by_namespace: Mapping[str, Mapping[str, tuple[Group, ...]]]
    source_keys: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    for_some: bool = False  # whether a rule is for chosen namespaces or pods

    def same_for_most(self, client: str) -> bool:
        """Whether clients of a namespace go by the rules that all without rules of their own go by."""
        return not self.for_some and client not in self.by_namespace

    def find(self, service: Service, client: str, labels: Mapping[str, str]) -> Destinations:
        """The rules for a service, seen by a client of that namespace with those labels."""
        order = [service.namespace, ROOT_NAMESPACE]
        if client != ROOT_NAMESPACE:
            order.insert(0, client)
        for namespace in order:
            rules = self.by_namespace.get(namespace)
            if not rules:
                continue
            for host in (service.host, *wild_candidates(service.host)):
                for group in rules.get(host, ()):
                    if group.holds(namespace, client, labels):
                        return group.merged
        return NO_RULES


def destination_index(rules: tuple[Owned[DestinationRule], ...]) -> DestinationIndex:
    """Merge and index rules; they come oldest first."""
    groups: dict[str, dict[str, list[Owned[DestinationRule]]]] = {}
    keys: set[str] = set()
    for rule in rules:
        host = full_host(rule.typed.spec.host, rule.namespace)
        groups.setdefault(rule.namespace, {}).setdefault(host, []).append(rule)
        keys.update(key for key, _ in _selector(rule))
    problems: list[Problem] = []
    merged = {
        namespace: {host: _groups(host, same, problems) for host, same in sorted(hosts.items())}
        for namespace, hosts in sorted(groups.items())
    }
    return DestinationIndex(
        by_namespace=merged,
        source_keys=tuple(sorted(keys)),
        problems=tuple(problems),
        for_some=any(_for_some(rule) for rule in rules),
    )


def _for_some(rule: Owned[DestinationRule]) -> bool:
    to = rule.typed.spec.export_to
    return bool(_selector(rule)) or not (not to or "*" in to)


def _selector(rule: Owned[DestinationRule]) -> tuple[tuple[str, str], ...]:
    chosen = rule.typed.spec.workload_selector
    return tuple(sorted(chosen.match_labels.items())) if chosen else ()


def _groups(
    host: str, rules: list[Owned[DestinationRule]], problems: list[Problem]
) -> tuple[Group, ...]:
    """Rules that are for the same clients are joined; those for chosen pods come first."""
    alike: dict[tuple[tuple[tuple[str, str], ...], tuple[str, ...]], list[Owned[DestinationRule]]]
    alike = {}
    for rule in rules:
        key = (_selector(rule), tuple(sorted(rule.typed.spec.export_to)))
        alike.setdefault(key, []).append(rule)
    made = [
        Group(selector=selector, export_to=to, merged=_merged(host, same, problems))
        for (selector, to), same in alike.items()
    ]
    return tuple(sorted(made, key=lambda group: not group.selector))


def _merged(
    host: str, rules: list[Owned[DestinationRule]], problems: list[Problem]
) -> Destinations:
    policy: From[TrafficPolicy] | None = None
    subsets: dict[str, From[Subset]] = {}
    for rule in rules:
        own = rule.typed.spec.traffic_policy
        if own and policy:
            problems.append(
                overruled(
                    rule.origin("spec.trafficPolicy"),
                    f"{policy.origin.key}, which is older, sets the traffic policy of {host}",
                    "put one traffic policy for the host into one DestinationRule",
                )
            )
        elif own:
            policy = From(value=own, rule=rule, path="spec.trafficPolicy")
        for index, subset in enumerate(rule.typed.spec.subsets):
            found = From(value=subset, rule=rule, path=f"spec.subsets[{index}]")
            if subset.name in subsets:
                older = subsets[subset.name].origin.key
                message = f"{older} has a subset {subset.name} of {host} already"
                problems.append(overruled(found.origin, message))
            else:
                subsets[subset.name] = found
    return Destinations(policy=policy, subsets=dict(sorted(subsets.items())))


def _settings(policy: From[TrafficPolicy], port: int) -> tuple[Effective, bool]:
    """The settings for a port, and whether they stand at the port itself."""
    for index, own in enumerate(policy.value.port_level_settings):
        if own.port and own.port.number == port:
            path = f"{policy.path}.portLevelSettings[{index}]"
            return _effective(From(value=own, rule=policy.rule, path=path), policy.value), True
    return _effective(policy, policy.value), False


def _effective(
    policy: From[TrafficPolicy] | From[PortTrafficPolicy], whole: TrafficPolicy
) -> Effective:
    """`whole`: what a port cannot set for itself is taken from the policy around it."""
    value = policy.value
    return Effective(
        tunnel=whole.tunnel,
        proxy_protocol=whole.proxy_protocol,
        budget=whole.retry_budget,
        balance=policy.part(value.load_balancer, "loadBalancer"),
        pool=policy.part(value.connection_pool, "connectionPool"),
        outlier=policy.part(value.outlier_detection, "outlierDetection"),
        tls=policy.part(value.tls, "tls"),
    )
