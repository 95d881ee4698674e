"""Know what is written in books and not in the API: forms of old, parts of objects, other tools' files.

In: a field, a kind, or a document that is no object.    Out: what to write instead, or whose it is.
Before: -        After: api/shape.py, api/decode.py
Source: Istio's release notes (Mixer and the v1alpha1 policies went with 1.6 to 1.8), Kubernetes'
deprecation guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RETRIES = (
    "retries stand in a VirtualService: spec.http[].retries {attempts, perTryTimeout, retryOn}"
)
_TIMEOUT = "timeouts stand in a VirtualService: spec.http[].timeout"
_CONTAINER = (
    "it stands in a container: spec.containers[] of a Pod, or of a workload's spec.template"
)

# By the struct's name and the field's.
_FIELDS: Mapping[tuple[str, str], str] = {
    ("OutlierDetection", "consecutiveErrors"): (
        "Istio took it away: write consecutive5xxErrors, or consecutiveGatewayErrors for 502, 503"
        " and 504 alone"
    ),
    ("TrafficPolicy", "retry"): _RETRIES,
    ("TrafficPolicy", "retries"): _RETRIES,
    ("TrafficPolicy", "timeout"): _TIMEOUT,
    ("HTTPRoute", "appendHeaders"): "write headers: {request: {add: …}}",
    ("HTTPRoute", "appendRequestHeaders"): "write headers: {request: {add: …}}",
    ("HTTPRoute", "removeRequestHeaders"): "write headers: {request: {remove: […]}}",
    ("HTTPRoute", "appendResponseHeaders"): "write headers: {response: {add: …}}",
    ("HTTPRoute", "removeResponseHeaders"): "write headers: {response: {remove: […]}}",
    ("HTTPRoute", "websocketUpgrade"): "WebSockets need no word any more: leave it out",
    ("PodSpec", "backoffLimit"): "it stands in the Job's own spec, beside template",
    ("PodSpec", "volumeClaimTemplates"): "it stands in the StatefulSet's own spec, beside template",
}
# Fields whose value means the same under the newer name.
_RENAMED: Mapping[tuple[str, str], str] = {
    ("OutlierDetection", "consecutiveErrors"): "consecutive5xxErrors",
}
_MIXER = "Istio removed Mixer with 1.8"
# By group; "" is any kind of it.
_KINDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "config.istio.io": {
        "QuotaSpec": (_MIXER, "limit rates by EnvoyFilter: envoy.filters.http.local_ratelimit"),
        "QuotaSpecBinding": (
            _MIXER,
            "limit rates by EnvoyFilter: envoy.filters.http.local_ratelimit",
        ),
        "": (_MIXER, "write an AuthorizationPolicy for checks, a Telemetry for reports"),
    },
    "authentication.istio.io": {
        "": (
            "Istio removed it with 1.6",
            "write a PeerAuthentication for mTLS, a RequestAuthentication for tokens"
            " (security.istio.io/v1)",
        )
    },
    "rbac.istio.io": {
        "": ("Istio removed it with 1.6", "write an AuthorizationPolicy (security.istio.io/v1)")
    },
    "extensions": {
        "Ingress": ("Kubernetes removed it with 1.22", "apiVersion: networking.k8s.io/v1"),
        "NetworkPolicy": ("Kubernetes removed it with 1.16", "apiVersion: networking.k8s.io/v1"),
        "": ("Kubernetes removed it with 1.16", "apiVersion: apps/v1"),
    },
    "policy": {
        "PodSecurityPolicy": (
            "Kubernetes removed it with 1.25",
            "label the namespace pod-security.kubernetes.io/enforce: baseline or restricted",
        )
    },
}
# Commands of istioctl that are gone, by how they begin.
_COMMANDS: Mapping[str, str] = {
    "istioctl authn tls-check": "istioctl experimental describe pod POD",
    "istioctl deregister": "delete the WorkloadEntry, or the Endpoints",
    "istioctl register": "istioctl experimental workload entry configure, or a WorkloadEntry",
    "istioctl convert-ingress": "write an Ingress, a Gateway with a VirtualService, or an HTTPRoute",
    "istioctl create": "kubectl apply",
    "istioctl delete": "kubectl delete",
    "istioctl get": "kubectl get",
    "istioctl replace": "kubectl apply",
    "istioctl gen-deploy": "istioctl install, or its Helm charts",
    "istioctl manifest apply": "istioctl install",
    "istioctl operator": "istioctl install, or its Helm charts",
    "istioctl profile": "istioctl install --set profile=NAME, or its Helm charts",
    "istioctl experimental add-to-mesh": "label the namespace istio-injection: enabled",
    "istioctl experimental remove-from-mesh": 'label the pods sidecar.istio.io/inject: "false"',
}
# By the end of the group: who reads such objects.
_OWNERS: Mapping[str, str] = {
    "monitoring.coreos.com": "the Prometheus operator",
    "argoproj.io": "Argo",
    "cert-manager.io": "cert-manager",
    "install.istio.io": "istioctl install",
    "kiali.io": "Kiali",
    "jaegertracing.io": "the Jaeger operator",
    "opentelemetry.io": "the OpenTelemetry operator",
    "fluentd.fluent.io": "the Fluent operator",
    "fluentbit.fluent.io": "the Fluent operator",
    "k8s.elastic.co": "the Elastic operator",
    "grafana.integreatly.org": "the Grafana operator",
    "linkerd.io": "Linkerd",
    "consul.hashicorp.com": "Consul",
    "configuration.konghq.com": "Kong",
    "getambassador.io": "Ambassador",
    "flagger.app": "Flagger",
    "keda.sh": "KEDA",
    "toolkit.fluxcd.io": "Flux",
    "tekton.dev": "Tekton",
    "traefik.io": "Traefik",
    "helm.cattle.io": "K3s' Helm controller",
    "apiserver.config.k8s.io": "an API server, as a file",
    "audit.k8s.io": "an API server, as a file",
    "kubelet.config.k8s.io": "a kubelet, as a file",
    "kubeadm.k8s.io": "kubeadm",
}
_INSTEAD: Mapping[str, str] = {
    "EncryptionConfiguration": "lateen reads it from encryption.yaml in the mesh's state folder",
    "IstioOperator": "lateen reads meshConfig from ConfigMap istio in istio-system, under `mesh`",
}
# A document with any of these fields, and no kind, is another tool's.
_FILES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"scrape_configs", "alert", "expr", "job_name", "rule_files"}), "Prometheus"),
    (
        frozenset({"inhibit_rules", "receivers", "group_by", "group_wait", "group_interval"}),
        "Alertmanager",
    ),
    (frozenset({"plugins"}), "an API gateway such as Kong"),
    (frozenset({"datasources"}), "Grafana"),
)
# A document with such a field, and no kind, is cut out of an object.
_PARTS: Mapping[str, str] = {
    "env": _CONTAINER,
    "envFrom": _CONTAINER,
    "volumeMounts": _CONTAINER,
    "resources": _CONTAINER,
    "containers": "it stands in the spec of a Pod, or of a workload's template",
    "volumes": "it stands in the spec of a Pod, or of a workload's template",
    "http": "it stands in the spec of a VirtualService",
}
# A document of this field alone is cut out of one.
_BARE: Mapping[str, str] = {
    "metadata": "it stands in a Pod, or in a workload's spec.template",
    "spec": "the object it stands in needs apiVersion, kind and metadata",
}


def modern_field(struct: str, field: str, *, outermost: bool) -> str:
    """What to write instead of a field that struct does not have; "" where nothing is known.

    `outermost` says that the field stands beside apiVersion and kind.
    """
    return _FIELDS.get((struct, field)) or (_PARTS.get(field, "") if outermost else "")


def renamed_field(struct: str, field: str) -> str:
    """The newer name of a field whose value stays as it is; "" where it was not merely renamed."""
    return _RENAMED.get((struct, field), "")


def removed_kind(group: str, kind: str) -> tuple[str, str] | None:
    """Since when a kind is gone, and what to write instead; None where nothing is known."""
    kinds = _KINDS.get(group, {})
    return kinds.get(kind) or kinds.get("")


def owner_of(group: str) -> str:
    """Which other tool reads objects of the group; "" where nothing is known."""
    return next((who for end, who in _OWNERS.items() if f".{group}".endswith(f".{end}")), "")


def removed_command(words: str) -> tuple[str, str] | None:
    """The part of a command line that istioctl no longer has, and what to use instead; None otherwise."""
    found = (old for old in _COMMANDS if f"{words} ".startswith(f"{old} "))
    return next(((old, _COMMANDS[old]) for old in found), None)


def same_shape(old: str, new: str) -> bool:
    """Whether objects of one apiVersion need nothing but the other to be of it: "batch/v1beta1", "batch/v1"."""
    group = new.partition("/")[0]
    if old.partition("/")[0] != group:
        return False
    return group.endswith(".istio.io") or old in ("batch/v1beta1", "autoscaling/v2beta2")


def instead_of(kind: str) -> str:
    """Where lateen looks for what another tool's kind says; "" where nowhere."""
    return _INSTEAD.get(kind, "")


def reader_of(document: Any) -> str:
    """Which other tool reads a document that is no Kubernetes object; "" where nothing is known."""
    if isinstance(document, list):
        readers = {reader_of(each) for each in document if isinstance(each, dict)}
        return readers.pop() if len(readers) == 1 else ""
    if not isinstance(document, dict) or isinstance(document.get("kind"), str):
        return ""
    return next((who for fields, who in _FILES if fields & document.keys()), "")


def home_of(document: Mapping[str, Any]) -> str:
    """Where a document without a kind belongs that is cut out of an object; "" if that is unclear."""
    found = next((home for field, home in _PARTS.items() if field in document), "")
    if found or len(document) != 1:
        return found
    ((field, value),) = document.items()
    named = isinstance(value, dict) and "name" in value
    return "" if named else _BARE.get(field, "")
