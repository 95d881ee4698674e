"""One Prometheus page for the whole mesh.

In: each proxy's Istio families, and the platform's own figures.    Out: text.
Before: telemetry/istio.py        After: telemetry/collecting.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lateen.telemetry.counters import ProxyCounters
from lateen.telemetry.promtext import Family, Sample, series, write_families

ProxyName = tuple[str, str]
"""Namespace and pod."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """lateen's own figures at this moment.

    `certificates`: seconds until each ends, by kind, namespace and name.
    """

    objects: Mapping[str, int] = field(default_factory=dict)  # by kind
    pushes: Mapping[str, int] = field(default_factory=dict)  # by xDS type
    acks: Mapping[str, int] = field(default_factory=dict)
    nacks: Mapping[str, int] = field(default_factory=dict)
    certificates: Mapping[tuple[str, str, str], float] = field(default_factory=dict)


def federated(families: Iterable[Family], platform: Platform) -> str:
    """The page, each metric in one place."""
    return write_families((*families, *platform_families(platform)))


def platform_families(platform: Platform) -> tuple[Family, ...]:
    """The platform's figures as metrics."""
    return (
        _by("lateen_objects", "gauge", "Objects in the store.", "kind", platform.objects),
        _by("lateen_xds_pushes_total", "counter", "Pushes to proxies.", "type", platform.pushes),
        _by("lateen_xds_acks_total", "counter", "Pushes acknowledged.", "type", platform.acks),
        _by("lateen_xds_nacks_total", "counter", "Pushes refused.", "type", platform.nacks),
        _family(
            "lateen_certificate_seconds",
            "gauge",
            "Seconds until a certificate ends: of a root, what signs, a proxy, or a Secret.",
            [
                series(
                    "lateen_certificate_seconds",
                    seconds,
                    {"kind": kind, "namespace": namespace, "name": name},
                )
                for (kind, namespace, name), seconds in sorted(platform.certificates.items())
            ],
        ),
    )


def proxy_families(counters: Mapping[ProxyName, ProxyCounters]) -> tuple[Family, ...]:
    """Whether each proxy answered, and what its breakers and outlier detection did."""

    def rows(name: str, values: Mapping[ProxyName, int]) -> list[Sample]:
        return [
            series(name, value, {"namespace": namespace, "pod": pod})
            for (namespace, pod), value in sorted(values.items())
        ]

    overflows = {who: c.overflows for who, c in counters.items()}
    ejections = {who: c.ejections for who, c in counters.items()}
    return (
        _family(
            "lateen_proxy_overflows_total",
            "counter",
            "Requests and connections that a circuit breaker turned away.",
            rows("lateen_proxy_overflows_total", overflows),
        ),
        _family(
            "lateen_proxy_ejections_total",
            "counter",
            "Endpoints that outlier detection put out.",
            rows("lateen_proxy_ejections_total", ejections),
        ),
    )


def up_family(up: Mapping[ProxyName, bool]) -> Family:
    """1 for each proxy that answered when it was asked, else 0."""
    samples = [
        series("lateen_proxy_up", int(answered), {"namespace": namespace, "pod": pod})
        for (namespace, pod), answered in sorted(up.items())
    ]
    return _family("lateen_proxy_up", "gauge", "Whether the proxy answered the scrape.", samples)


def _by(name: str, kind: str, words: str, label: str, values: Mapping[str, int]) -> Family:
    samples = [series(name, value, {label: key}) for key, value in sorted(values.items())]
    return _family(name, kind, words, samples)


def _family(name: str, kind: str, words: str, samples: list[Sample]) -> Family:
    return Family(name=name, type=kind, samples=tuple(samples), help=words)
