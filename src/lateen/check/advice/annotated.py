"""Advise on annotations in Istio's name: known, in their place, current, with a value they can have.

In: Survey.                       Out: problems IST0107, IST0108, IST0125, IST0135.
Before: check/advice/survey.py    After: check/advice/__init__.py
Source: istio/api, resource annotations.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Iterator, Mapping

from lateen.api.codes import (
    BAD_ANNOTATION,
    DEPRECATED_ANNOTATION,
    MISPLACED_ANNOTATION,
    UNKNOWN_ANNOTATION,
)
from lateen.api.quantity import exact
from lateen.base.problem import Problem
from lateen.check.advice.survey import INJECT, Survey
from lateen.check.at import At

_INGRESS_CLASS = "kubernetes.io/ingress.class"
_OF_PODS = frozenset(
    [
        "ambient.istio.io/bypass-inbound-capture",
        "ambient.istio.io/dns-capture",
        "ambient.istio.io/redirection",
        "inject.istio.io/templates",
        "istio.io/reroute-virtual-interfaces",
        "istio.io/rev",
        "prometheus.istio.io/merge-metrics",
        "proxy.istio.io/config",
        "proxy.istio.io/overrides",
        "status.sidecar.istio.io/port",
    ]
    + [
        f"readiness.status.sidecar.istio.io/{name}"
        for name in (
            *("applicationPorts", "failureThreshold", "initialDelaySeconds", "periodSeconds"),
        )
    ]
    + [
        f"sidecar.istio.io/{name}"
        for name in (
            *("agentLogLevel", "bootstrapOverride", "componentLogLevel", "discoveryAddress"),
            *("extraStatTags", "inject", "interceptionMode", "logLevel", "nativeSidecar"),
            *("proxyCPU", "proxyCPULimit", "proxyImage", "proxyImageType", "proxyMemory"),
            *("proxyMemoryLimit", "rewriteAppHTTPProbers", "statsCompression", "status"),
            *("statsEvictionInterval", "statsFlushInterval", "statsHistogramBins"),
            *("statsHistogramBuckets", "statsInclusionPrefixes", "statsInclusionRegexps"),
            *("statsInclusionSuffixes", "userVolume", "userVolumeMount"),
        )
    ]
    + [
        f"traffic.sidecar.istio.io/{name}"
        for name in (
            *("excludeInboundPorts", "excludeInterfaces", "excludeOutboundIPRanges"),
            *("excludeOutboundPorts", "includeInboundPorts", "includeOutboundIPRanges"),
            *("includeOutboundPorts", "kubevirtInterfaces"),
        )
    ]
)
_ANY: frozenset[str] = frozenset()
_KINDS: Mapping[str, frozenset[str]] = (
    dict.fromkeys(_OF_PODS, frozenset({"Pod"}))
    | dict.fromkeys(
        ("galley.istio.io/analyze-suppress", "gateway.istio.io/controller-version"), _ANY
    )
    | {
        "alpha.istio.io/canonical-serviceaccounts": frozenset({"Service"}),
        "alpha.istio.io/kubernetes-serviceaccounts": frozenset({"Service"}),
        "ambient.istio.io/waypoint-inbound-binding": frozenset({"Gateway", "GatewayClass"}),
        "gateway.istio.io/name-override": frozenset({"Gateway"}),
        "gateway.istio.io/service-account": frozenset({"Gateway"}),
        "istio.io/autoRegistrationGroup": frozenset({"WorkloadEntry"}),
        "istio.io/connectedAt": frozenset({"WorkloadEntry"}),
        "istio.io/disconnectedAt": frozenset({"WorkloadEntry"}),
        "istio.io/workloadController": frozenset({"WorkloadEntry"}),
        "istio.io/dry-run": frozenset({"AuthorizationPolicy"}),
        "istio.io/use-waypoint-canary-weight": frozenset({"Namespace", "Service", "ServiceEntry"}),
        "networking.istio.io/exportTo": frozenset({"Service"}),
        "networking.istio.io/service-type": frozenset({"Gateway"}),
        "networking.istio.io/traffic-distribution": frozenset(
            {"Namespace", "Service", "ServiceEntry"}
        ),
        "topology.istio.io/controlPlaneClusters": frozenset({"Namespace"}),
        "traffic.istio.io/nodeSelector": frozenset({"Service"}),
        _INGRESS_CLASS: frozenset({"Ingress"}),
    }
)
_GIVEN_UP: Mapping[str, str] = {
    INJECT: f"the label {INJECT}",
    "alpha.istio.io/canonical-serviceaccounts": "",
    "alpha.istio.io/kubernetes-serviceaccounts": "",
    "sidecar.istio.io/discoveryAddress": "discoveryAddress in proxy.istio.io/config",
    "sidecar.istio.io/extraStatTags": "a Telemetry with metrics overrides",
    "sidecar.istio.io/statsCompression": "",
    "sidecar.istio.io/statsInclusionPrefixes": "proxyStatsMatcher in proxy.istio.io/config",
    "sidecar.istio.io/statsInclusionRegexps": "proxyStatsMatcher in proxy.istio.io/config",
    "sidecar.istio.io/statsInclusionSuffixes": "proxyStatsMatcher in proxy.istio.io/config",
    "traffic.sidecar.istio.io/kubevirtInterfaces": "istio.io/reroute-virtual-interfaces",
}


def advise_on_annotations(survey: Survey) -> Iterator[Problem]:
    """Those of every object, and of the pods of its template."""
    for obj in survey.objects:
        at = At(obj).key("metadata")
        yield from _annotations(obj.meta.annotations, obj.meta.labels, obj.key.kind, at)
    for pods in survey.pods:
        if pods.obj.key.kind != "Pod":
            here = At(pods.obj, pods.at.path.removesuffix("spec") + "metadata")
            yield from _annotations(pods.meta.annotations, pods.meta.labels, "Pod", here)


def _annotations(
    annotations: Mapping[str, str], labels: Mapping[str, str], kind: str, at: At
) -> Iterator[Problem]:
    for name, value in annotations.items():
        if not (name.partition("/")[0].endswith("istio.io") or name == _INGRESS_CLASS):
            continue
        here = at.key("annotations", name)
        kinds = _KINDS.get(name)
        if kinds is None:
            near = difflib.get_close_matches(name, _KINDS, n=1, cutoff=0.85)
            fix = f'did you mean "{near[0]}"?' if near else ""
            yield here.warning(f"Unknown annotation: {name}", fix, UNKNOWN_ANNOTATION)
            continue
        if name in _GIVEN_UP and not (name == INJECT and INJECT in labels):
            words = f'annotation "{name}" is deprecated, and may not work in a later Istio'
            yield here.info(words, _GIVEN_UP[name], code=DEPRECATED_ANNOTATION)
        if kinds and kind not in kinds:
            where = ", ".join(sorted(kinds))
            words = f"Misplaced annotation: {name} can only be applied to {where}"
            fix = "in the template: spec.template.metadata" if kinds == {"Pod"} else ""
            yield here.warning(words, fix, MISPLACED_ANNOTATION)
        elif (check := _VALUES.get(name)) and (fault := check(value)):
            yield here.warning(f"Invalid annotation {name}: {fault}", code=BAD_ANNOTATION)


def _boolean(value: str) -> str:
    return "" if value.lower() in ("true", "false") else f'wanted "true" or "false", got "{value}"'


def _number(value: str) -> str:
    fits = value.isascii() and value.isdigit() and int(value[:11]) < 2**32
    return "" if fits else f'wanted a whole number, got "{value}"'


def _port(value: str) -> str:
    fits = value.isascii() and value.isdigit() and 0 <= int(value[:6]) <= 65535
    return "" if fits else f'wanted a port, got "{value}"'


def _ports(value: str) -> str:
    words = [word.strip() for word in value.split(",") if word.strip()]
    return "" if value == "*" else next((fault for word in words if (fault := _port(word))), "")


def _ranges(value: str) -> str:
    for word in value.split(",") if value not in ("", "*") else ():
        try:
            ipaddress.ip_network(word.strip(), strict=False)
        except ValueError:
            return f'wanted addresses such as 10.0.0.0/8, or *, got "{word}"'
    return ""


def _quantity(value: str) -> str:
    try:
        exact(value)
    except ValueError:
        return f'wanted a quantity such as 100m or 128Mi, got "{value}"'
    return ""


def _interception(value: str) -> str:
    modes = ("REDIRECT", "TPROXY", "NONE")
    return "" if value in modes else f'wanted one of {", ".join(modes)}, got "{value}"'


_VALUES: Mapping[str, Callable[[str], str]] = {
    INJECT: _boolean,
    "istio.io/dry-run": _boolean,
    "prometheus.istio.io/merge-metrics": _boolean,
    "sidecar.istio.io/rewriteAppHTTPProbers": _boolean,
    "sidecar.istio.io/interceptionMode": _interception,
    "status.sidecar.istio.io/port": _port,
    "readiness.status.sidecar.istio.io/initialDelaySeconds": _number,
    "readiness.status.sidecar.istio.io/periodSeconds": _number,
    "readiness.status.sidecar.istio.io/failureThreshold": _number,
    "traffic.sidecar.istio.io/includeOutboundIPRanges": _ranges,
    "traffic.sidecar.istio.io/excludeOutboundIPRanges": _ranges,
    "traffic.sidecar.istio.io/includeInboundPorts": _ports,
    "traffic.sidecar.istio.io/excludeInboundPorts": _ports,
    "traffic.sidecar.istio.io/excludeOutboundPorts": _ports,
    "sidecar.istio.io/proxyCPU": _quantity,
    "sidecar.istio.io/proxyCPULimit": _quantity,
    "sidecar.istio.io/proxyMemory": _quantity,
    "sidecar.istio.io/proxyMemoryLimit": _quantity,
}
