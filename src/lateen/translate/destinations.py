"""Find the DestinationRule for a host and settle its precedence.

In: DestinationRules in order of age.    Out: DestinationIndex, Effective.
Before: translate/hosts.py               After: translate/backends.py

Istio's order: the client's namespace, the service's, the root namespace; in each the exact host,
else the most specific wildcard. Rules of one namespace for one host are merged: the subsets of all,
the traffic policy of the oldest that has one. A port's settings stand in for the whole policy
around them; a subset's settings replace those of the host field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from lateen.api.destinationrule import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    DestinationRule,
    LoadBalancerSettings,
    OutlierDetection,
    PortTrafficPolicy,
    Subset,
    TrafficPolicy,
)
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.translate.faults import overruled
from lateen.translate.hosts import full_host, wild_candidates
from lateen.world.model import ROOT_NAMESPACE, Owned, Service

V = TypeVar("V")
W = TypeVar("W")


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Generic[V]):
    """A setting, and the rule and field path where it stands."""

    value: V
    rule: Owned[DestinationRule]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The traffic policy that holds for one port or subset of a host."""

    balance: From[LoadBalancerSettings] | None = None
    pool: From[ConnectionPoolSettings] | None = None
    outlier: From[OutlierDetection] | None = None
    tls: From[ClientTLSSettings] | None = None

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where its parts were set."""
        parts = (self.balance, self.pool, self.outlier, self.tls)
        return tuple(dict.fromkeys(part.origin for part in parts if part))


NOTHING = Effective()


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
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
        )


NO_RULES = Destinations(policy=None, subsets={})


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationIndex:
    """Merged rules by namespace and by host."""

    by_namespace: Mapping[str, Mapping[str, Destinations]]
    problems: tuple[Problem, ...] = ()

    def find(self, service: Service, client: str) -> Destinations:
        """The rules for a service, seen from a client's namespace."""
        order = [service.namespace, ROOT_NAMESPACE]
        if client != ROOT_NAMESPACE:
            order.insert(0, client)
        for namespace in order:
            rules = self.by_namespace.get(namespace)
            if not rules:
                continue
            for host in (service.host, *wild_candidates(service.host)):
                if host in rules:
                    return rules[host]
        return NO_RULES


def destination_index(rules: tuple[Owned[DestinationRule], ...]) -> DestinationIndex:
    """Merge and index rules; they come oldest first."""
    groups: dict[str, dict[str, list[Owned[DestinationRule]]]] = {}
    for rule in rules:
        host = full_host(rule.typed.spec.host, rule.namespace)
        groups.setdefault(rule.namespace, {}).setdefault(host, []).append(rule)
    problems: list[Problem] = []
    merged = {
        namespace: {host: _merged(host, same, problems) for host, same in sorted(hosts.items())}
        for namespace, hosts in sorted(groups.items())
    }
    return DestinationIndex(by_namespace=merged, problems=tuple(problems))


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
            return _effective(From(value=own, rule=policy.rule, path=path)), True
    return _effective(policy), False


def _effective(policy: From[TrafficPolicy] | From[PortTrafficPolicy]) -> Effective:
    value = policy.value
    return Effective(
        balance=policy.part(value.load_balancer, "loadBalancer"),
        pool=policy.part(value.connection_pool, "connectionPool"),
        outlier=policy.part(value.outlier_detection, "outlierDetection"),
        tls=policy.part(value.tls, "tls"),
    )
