"""Alerts: when Prometheus raises them, and where Alertmanager takes them.

In: -    Out: rules and Alertmanager's configuration as data.
Before: -        After: cli/dashboards.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule: it is raised when the expression has had a value for that long."""

    name: str
    expression: str
    lasting: str
    severity: str
    summary: str
    description: str


WORKLOADS = (
    Alert(
        name="HighCpuUsage",
        expression='sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{container!=""}[5m])) > 0.8',
        lasting="5m",
        severity="warning",
        summary="High CPU usage on pod {{ $labels.pod }}",
        description="Pod {{ $labels.pod }} in {{ $labels.namespace }} has used more than 0.8 cores for 5 minutes.",
    ),
    Alert(
        name="PodRestarting",
        expression="increase(kube_pod_container_status_restarts_total[10m]) > 3",
        lasting="1m",
        severity="warning",
        summary="Pod {{ $labels.pod }} is restarting frequently",
        description="Container {{ $labels.container }} of pod {{ $labels.pod }} in {{ $labels.namespace }} "
        "restarted more than 3 times in 10 minutes.",
    ),
    Alert(
        name="PodPending",
        expression='sum by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Unknown"}) > 0',
        lasting="5m",
        severity="warning",
        summary="Pod {{ $labels.pod }} does not start",
        description="Pod {{ $labels.pod }} in {{ $labels.namespace }} has been pending for more than 5 minutes.",
    ),
    Alert(
        name="DeploymentReplicasMissing",
        expression="kube_deployment_status_replicas_available < kube_deployment_spec_replicas",
        lasting="10m",
        severity="warning",
        summary="Deployment {{ $labels.deployment }} lacks pods",
        description="Deployment {{ $labels.deployment }} in {{ $labels.namespace }} has had fewer pods available "
        "than it wants for 10 minutes.",
    ),
)
_FAILED = 'istio_requests_total{reporter="destination",response_code=~"5.."}[5m]'
_ALL = 'istio_requests_total{reporter="destination"}[5m]'
_BY = "sum by (destination_service, destination_workload_namespace)"
_LATE = 'istio_request_duration_milliseconds_bucket{reporter="destination"}[5m]'


def _error_rate(name: str, share: float, severity: str) -> Alert:
    return Alert(
        name=name,
        expression=f"{_BY} (rate({_FAILED})) / {_BY} (rate({_ALL})) > {share}",
        lasting="5m",
        severity=severity,
        summary="{{ $labels.destination_service }} fails",
        description=f"More than {share:.0%} of the requests to {{{{ $labels.destination_service }}}} have been "
        "answered 5xx for 5 minutes: {{ $value | humanizePercentage }}.",
    )


MESH = (
    _error_rate("HighErrorRate", 0.05, "warning"),
    _error_rate("VeryHighErrorRate", 0.2, "critical"),
    Alert(
        name="HighRequestLatency",
        expression=f"histogram_quantile(0.95, sum by (le, destination_service) (rate({_LATE}))) > 1000",
        lasting="5m",
        severity="warning",
        summary="{{ $labels.destination_service }} is slow",
        description="One request of twenty to {{ $labels.destination_service }} takes longer than "
        "{{ $value }} ms.",
    ),
    Alert(
        name="ProxyDown",
        expression='up{job="istio-mesh"} == 0',
        lasting="2m",
        severity="critical",
        summary="The proxy of {{ $labels.pod }} does not answer",
        description="The proxy of pod {{ $labels.pod }} in {{ $labels.namespace }} has not answered for 2 minutes.",
    ),
)
PLATFORM = (
    Alert(
        name="ApiLatencyHigh",
        expression="histogram_quantile(0.99, sum by (le, verb) "
        "(rate(apiserver_request_duration_seconds_bucket[5m]))) > 1",
        lasting="10m",
        severity="warning",
        summary="The API is slow",
        description="One {{ $labels.verb }} of a hundred takes longer than {{ $value }} s.",
    ),
    Alert(
        name="ConfigurationRefused",
        expression="increase(pilot_total_xds_rejects[5m]) > 0",
        lasting="0m",
        severity="warning",
        summary="A proxy refused its configuration",
        description="`lateen status` names the object and says what Envoy did not like.",
    ),
    Alert(
        name="CertificateExpiresSoon",
        expression='lateen_certificate_seconds{kind=~"root|signing|credential"} < 7 * 86400',
        lasting="10m",
        severity="warning",
        summary="The {{ $labels.kind }} certificate {{ $labels.name }} ends soon",
        description="It ends in {{ $value | humanizeDuration }}; see `lateen certs`.",
    ),
    Alert(
        name="ProxyCertificateNotRenewed",
        expression='lateen_certificate_seconds{kind="proxy"} < 600',
        lasting="2m",
        severity="critical",
        summary="The certificate of {{ $labels.name }} is not renewed",
        description="The proxy of {{ $labels.name }} in {{ $labels.namespace }} loses its identity in "
        "{{ $value | humanizeDuration }}.",
    ),
    Alert(
        name="ControlPlaneDown",
        expression='up{job="lateen"} == 0',
        lasting="2m",
        severity="critical",
        summary="The control plane does not answer",
        description="Traffic goes on with what the proxies have; nothing new reaches them.",
    ),
)
GROUPS = (("workloads", WORKLOADS), ("mesh", MESH), ("platform", PLATFORM))


def rules() -> dict[str, Any]:
    """Prometheus' rule file."""
    return {"groups": [{"name": name, "rules": list(map(_rule, some))} for name, some in GROUPS]}


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.description},
    }


def alertmanager() -> dict[str, Any]:
    """Grouped by severity and namespace; critical ones at once; a warning is still while a critical one is on.

    The receivers are webhooks on loopback, to be replaced by whatever tells people.
    """
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": "default",
            "group_by": ["severity", "namespace"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "3h",
            "routes": [
                {
                    "receiver": "critical",
                    "matchers": ['severity="critical"'],
                    "group_wait": "5s",
                    "repeat_interval": "1h",
                },
                {"receiver": "warning", "matchers": ['severity="warning"']},
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['severity="critical"'],
                "target_matchers": ['severity="warning"'],
                "equal": ["namespace", "destination_service"],
            },
            {
                "source_matchers": ['alertname="ControlPlaneDown"'],
                "target_matchers": ['alertname=~"ApiLatencyHigh|ConfigurationRefused"'],
            },
        ],
        "receivers": [
            {
                "name": name,
                "webhook_configs": [
                    {"url": f"http://127.0.0.1:5001/{name}", "send_resolved": True}
                ],
            }
            for name in ("default", "critical", "warning")
        ],
    }
