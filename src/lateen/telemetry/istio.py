"""Istio's standard metrics, out of what Envoy's stats access logger counts.

In: the families of one proxy's page.    Out: families with Istio's names and labels.
Before: telemetry/promtext.py            After: telemetry/federating.py, telemetry/traffic.py

Envoy prefixes every name with `envoy_`. At the destination, who the peer is stands in its certificate's
subject (`source_subject`), and whether it had one in `tls_version`; both become Istio's labels. A histogram's
`_sum` is what was counted beside it, for Envoy's own is made up of the middles of buckets. The bytes of connections that are
open are added to those of the ones that ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from lateen.envoy.names import CONNECTION, EXACT_SUM, LIVE, REMOVED_LABELS
from lateen.telemetry.promtext import Family, Labels, Sample

PeerOf = Callable[[str], Mapping[str, str]]
"""Reads a certificate's subject: workload, namespace, app, version; {} if it is not a pod's."""

UNKNOWN = "unknown"
FILTER = "(istio|lateen)_"
_PREFIXES = ("envoy_istio_", "envoy_lateen_")
_STANDARD = "envoy_istio_"
LATEST, CLUSTER = (
    "latest",
    "Kubernetes",
)  # Istio's words for no version, and for every pod's cluster
_EMPTY = ("", "-")
_ENDED = re.compile(r"rbac_access_denied_matched_policy\[(.*)\]")
_PEER_LABELS = {
    "source_canonical_service": "service",
    "source_workload": "workload",
    "source_workload_namespace": "namespace",
    "source_app": "app",
    "source_version": "version",
}
# What these say in words is of Istio's vocabulary, not of Envoy's formats.
_PROTOCOLS = {"HTTP/1.0": "http", "HTTP/1.1": "http", "HTTP/2": "http", "HTTP/3": "http"}


def istio_families(
    families: Iterable[Family], peer_of: PeerOf, target: Mapping[str, str]
) -> tuple[Family, ...]:
    """Only Istio's own metrics and decisions of policies, renamed; `target` labels (namespace, pod) say whose they are."""
    found: dict[str, Family] = {}
    for family in families:
        if not is_istio(family.name):
            continue
        name = _family_name(family.name)
        made = (istio_sample(sample, peer_of, target) for sample in family.samples)
        samples = [sample for sample in made if sample is not None]
        before = found.get(name, Family(name=name, type=family.type, samples=()))
        found[name] = Family(
            name=name,
            type=_type_of(family),
            samples=_added([*before.samples, *samples]),
            help=before.help or family.help,
        )
    return tuple(found.values())


def is_istio(name: str) -> bool:
    """Whether Envoy's name is one of Istio's metrics, or of the decisions."""
    return name.startswith(_PREFIXES)


def renamed(name: str) -> str:
    """Istio's name of a line of Envoy's; "" for a histogram's own sum, in whose place is what was counted exactly."""
    if name.endswith(EXACT_SUM):
        return f"{name.removeprefix('envoy_').removesuffix(EXACT_SUM)}_sum"
    return "" if name.endswith("_sum") else _family_name(name)


def _family_name(name: str) -> str:
    if name.endswith(LIVE):
        return f"{name.removeprefix('envoy_').removesuffix(LIVE)}_total"
    return name.removeprefix("envoy_").removesuffix(EXACT_SUM)


def _type_of(family: Family) -> str:
    if family.name.endswith(EXACT_SUM):
        return "histogram"
    return "counter" if family.name.endswith(LIVE) else family.type


def told_name(name: str) -> str:
    """Istio's name of a metric of Envoy's; "" for one that is part of another."""
    return "" if name.endswith((EXACT_SUM, LIVE)) else name.removeprefix("envoy_")


def _added(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """What Envoy tells apart and Istio's labels do not, such as versions of TLS, is one series."""
    found: dict[tuple[str, Labels], Sample] = {}
    for sample in samples:
        key = sample.name, sample.labels
        before = found.get(key)
        found[key] = replace(sample, value=sample.value + before.value) if before else sample
    return tuple(found.values())


def istio_sample(sample: Sample, peer_of: PeerOf, target: Mapping[str, str]) -> Sample | None:
    """One sample under Istio's name and labels; None for one that Istio's metrics have no place for."""
    name = renamed(sample.name)
    if not name:
        return None
    labels = _istio_labels(dict(sample.labels), peer_of)
    labels.pop(CONNECTION, None)
    if sample.name.startswith(_STANDARD):
        labels = _completed(labels)
    for removed in labels.pop(REMOVED_LABELS, "").split(","):
        labels.pop(removed, None)
    return replace(sample, name=name, labels=_sorted({**labels, **target}))


def _istio_labels(given: dict[str, str], peer_of: PeerOf) -> dict[str, str]:
    labels = {name: UNKNOWN if value in _EMPTY else value for name, value in given.items()}
    if "request_protocol" in labels:
        protocol = labels["request_protocol"]
        labels["request_protocol"] = _PROTOCOLS.get(protocol, protocol)
    if "policy" in labels:
        labels |= _decision(given["policy"], given.get("result"))
    for absent_as_empty in ("response_flags", "grpc_response_status"):
        if given.get(absent_as_empty) in _EMPTY:
            labels[absent_as_empty] = "-" if absent_as_empty == "response_flags" else ""
    if labels.get("reporter") != "destination":
        labels.setdefault("connection_security_policy", UNKNOWN)
        return labels
    subject, version = labels.pop("source_subject", UNKNOWN), labels.pop("tls_version", UNKNOWN)
    mutual = version != UNKNOWN and labels.get("source_principal", UNKNOWN) != UNKNOWN
    labels["connection_security_policy"] = "mutual_tls" if mutual else "none"
    peer = peer_of(subject) if mutual else {}
    told = {label: peer.get(part) or UNKNOWN for label, part in _PEER_LABELS.items()}
    return told | labels  # what a Telemetry says of a label stands


def _completed(labels: dict[str, str]) -> dict[str, str]:
    """With the labels that follow from others, which Envoy need not carry."""
    for side in ("source", "destination"):
        app, workload, version = (
            labels.get(f"{side}_{what}", UNKNOWN) for what in ("app", "workload", "version")
        )
        known = workload != UNKNOWN
        labels.setdefault(f"{side}_canonical_service", app if app != UNKNOWN else workload)
        revision = version if version != UNKNOWN else LATEST if known else UNKNOWN
        labels.setdefault(f"{side}_canonical_revision", revision)
        labels.setdefault(f"{side}_cluster", CLUSTER if known else UNKNOWN)
    host = labels.get("destination_service", UNKNOWN)
    name, _, rest = host.partition(".")
    namespace, _, domain = rest.partition(".")
    inside = domain.startswith("svc.")
    here = labels.get("destination_workload_namespace", UNKNOWN)
    labels.setdefault("destination_service_name", name if inside else host)
    labels.setdefault("destination_service_namespace", namespace if inside else here)
    return labels


def _decision(policy: str, result: str | None) -> dict[str, str]:
    """Which rule decided, `none` where none did. Of connections only how they ended is told."""
    ended = _ENDED.fullmatch(policy)
    if ended:
        return {"policy": ended[1], "result": "denied"}
    return {"policy": "none" if policy in _EMPTY else policy, "result": result or "allowed"}


def _sorted(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))
