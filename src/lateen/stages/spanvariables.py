"""What a container's environment says of where to send traces, if it says nothing itself.

In: a Pod, the environment it asks for.    Out: variables that are added.
Before: world/workloads.py                 After: stages/resolving.py
Source: OpenTelemetry, "Environment Variable Specification" and "OTLP Exporter Configuration".

The one address takes gRPC and HTTP. Metrics and logs are not sent there: proxies and files have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from lateen.api.pod import Pod
from lateen.base import layout
from lateen.world.workloads import workload_name

ADDRESS = f"http://{layout.GATEWAY}:{layout.OTLP_HTTP_PORT}"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_QUIET = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")


def span_variables(pod: Pod, env: Mapping[str, str]) -> dict[str, str]:
    """What to add to an environment; nothing where it names an address itself."""
    if any(name in env for name in _ENDPOINTS):
        return {}
    meta, labels = pod.metadata, pod.metadata.labels
    workload = workload_name(meta, meta.name)
    app = labels.get("app") or labels.get("app.kubernetes.io/name", "") or workload
    about = {
        "k8s.namespace.name": meta.namespace,
        "k8s.pod.name": meta.name,
        "k8s.pod.uid": meta.uid,
        "service.version": labels.get("version") or labels.get("app.kubernetes.io/version", ""),
    }
    told = ",".join(f"{key}={quote(text, safe='')}" for key, text in about.items() if text)
    made = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": ADDRESS,
        "OTEL_SERVICE_NAME": f"{app}.{meta.namespace}",
        "OTEL_RESOURCE_ATTRIBUTES": told,
    } | dict.fromkeys(_QUIET, "none")
    return {name: text for name, text in made.items() if name not in env}
