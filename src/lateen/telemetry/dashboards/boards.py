"""The dashboards: mesh, service, workload, control plane.

In: -    Out: BOARDS.
Before: telemetry/dashboards/panels.py        After: cli/dashboards.py

Laid out by one scheme: traffic top left, latency in the middle, resources to the right, stability at the bottom. A
request is counted where it arrives (reporter="destination"); where no proxy takes it in, where it was sent.
"""

from __future__ import annotations

from lateen.telemetry.dashboards.controlplane import CONTROL_PLANE
from lateen.telemetry.dashboards.panels import RATE, Board, Panel, Row, Variable

_SERVICE = 'destination_service=~"$service"'
_WORKLOAD = 'destination_workload_namespace=~"$namespace",destination_workload=~"$workload"'
_FROM = 'source_workload_namespace=~"$namespace",source_workload=~"$workload"'
_FAILED = 'response_code=~"5.."'
_ARRIVED = 'reporter="destination"'


def _rate(metric: str, labels: str, by: str = "") -> str:
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({metric}{{{labels}}}{RATE}))"


def _errors(labels: str, by: str = "") -> str:
    name = "istio_requests_total"
    some, all_of = _rate(name, f"{labels},{_FAILED}", by), _rate(name, labels, by)
    return f"({some} or 0 * {all_of}) / {all_of}"


def _latency(labels: str, by: str = "") -> tuple[tuple[str, str], ...]:
    groups = f"le, {by}" if by else "le"
    named = f"{{{{{by}}}}} " if by else ""
    buckets = _rate("istio_request_duration_milliseconds_bucket", labels, groups)
    return tuple(
        (f"histogram_quantile({share}, {buckets})", f"{named}{word}")
        for share, word in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )


def _traffic(labels: str, by: str, errors_by: str) -> tuple[Panel, ...]:
    return (
        Panel(
            title="Requests by answer",
            queries=((_rate("istio_requests_total", labels, by), f"{{{{{by}}}}}"),),
            unit="requests",
        ),
        Panel(
            title="Share of failed requests",
            queries=((_errors(labels, errors_by), f"{{{{{errors_by}}}}}"),),
            unit="share",
            warn=0.05,
        ),
    )


def _resources(pods: str) -> tuple[Panel, ...]:
    used = f'{{{pods},container!=""}}'
    return (
        Panel(
            title="Processor by pod",
            queries=(
                (
                    f"sum by (pod) (rate(container_cpu_usage_seconds_total{used}{RATE}))",
                    "{{pod}}",
                ),
            ),
            unit="cores",
        ),
        Panel(
            title="Memory by pod",
            queries=((f"sum by (pod) (container_memory_working_set_bytes{used})", "{{pod}}"),),
            unit="bytes",
        ),
    )


def _stability(pods: str) -> Row:
    restarts = f"kube_pod_container_status_restarts_total{{{pods}}}"
    return Row(
        title="Stability",
        panels=(
            Panel(
                title="Restarts in the last hour",
                queries=((f"sum by (pod, container) (increase({restarts}[1h])) > 0", "{{pod}}"),),
            ),
            Panel(
                title="Containers that wait, and why",
                queries=(
                    (
                        f"sum by (reason) (kube_pod_container_status_waiting_reason{{{pods}}})",
                        "{{reason}}",
                    ),
                ),
            ),
            Panel(
                title="Pods by phase",
                queries=((f"sum by (phase) (kube_pod_status_phase{{{pods}}})", "{{phase}}"),),
            ),
        ),
    )


MESH = Board(
    uid="lateen-mesh",
    title="lateen / Mesh",
    rows=(
        Row(
            title="Overview",
            height=4,
            panels=(
                Panel(
                    title="Requests",
                    kind="stat",
                    queries=((_rate("istio_requests_total", _ARRIVED), ""),),
                    unit="requests",
                ),
                Panel(
                    title="Good answers",
                    kind="stat",
                    queries=((f"1 - {_errors(_ARRIVED)}", ""),),
                    unit="share",
                ),
                Panel(
                    title="p95",
                    kind="stat",
                    queries=(_latency(_ARRIVED)[1],),
                    unit="milliseconds",
                ),
                Panel(
                    title="Over mTLS",
                    kind="stat",
                    queries=(
                        (
                            _rate(
                                "istio_requests_total",
                                f'{_ARRIVED},connection_security_policy="mutual_tls"',
                            )
                            + " / "
                            + _rate("istio_requests_total", _ARRIVED),
                            "",
                        ),
                    ),
                    unit="share",
                ),
                Panel(
                    title="Proxies that answer",
                    kind="stat",
                    queries=(("sum(lateen_proxy_up)", ""),),
                ),
            ),
        ),
        Row(title="Traffic", panels=_traffic(_ARRIVED, "response_code", "destination_service")),
        Row(
            title="Latency",
            panels=(
                Panel(title="All requests", queries=_latency(_ARRIVED), unit="milliseconds"),
                Panel(
                    title="p95 by service",
                    queries=(_latency(_ARRIVED, "destination_service")[1],),
                    unit="milliseconds",
                ),
            ),
        ),
        Row(
            title="TCP",
            panels=(
                Panel(
                    title="Connections opened",
                    queries=(
                        (
                            _rate(
                                "istio_tcp_connections_opened_total",
                                _ARRIVED,
                                "destination_workload",
                            ),
                            "{{destination_workload}}",
                        ),
                    ),
                ),
                Panel(
                    title="Bytes",
                    queries=tuple(
                        (_rate(f"istio_tcp_{way}_bytes_total", _ARRIVED), way)
                        for way in ("sent", "received")
                    ),
                    unit="bytes a second",
                ),
            ),
        ),
        _stability('namespace!=""'),
    ),
)
SERVICE = Board(
    uid="lateen-service",
    title="lateen / Service",
    variables=(
        Variable(name="service", metric="istio_requests_total", label="destination_service"),
    ),
    rows=(
        Row(
            title="Traffic",
            panels=_traffic(f"{_ARRIVED},{_SERVICE}", "response_code", "destination_version"),
        ),
        Row(
            title="Latency",
            panels=(
                Panel(
                    title="As the service sees it",
                    queries=_latency(f"{_ARRIVED},{_SERVICE}"),
                    unit="milliseconds",
                ),
                Panel(
                    title="As its callers see it",
                    queries=_latency(f'reporter="source",{_SERVICE}'),
                    unit="milliseconds",
                ),
            ),
        ),
        Row(
            title="Who calls",
            panels=(
                Panel(
                    title="Requests by caller",
                    queries=(
                        (
                            _rate(
                                "istio_requests_total", f"{_ARRIVED},{_SERVICE}", "source_workload"
                            ),
                            "{{source_workload}}",
                        ),
                    ),
                    unit="requests",
                ),
                Panel(
                    title="Requests by version",
                    queries=(
                        (
                            _rate(
                                "istio_requests_total",
                                f"{_ARRIVED},{_SERVICE}",
                                "destination_version",
                            ),
                            "{{destination_version}}",
                        ),
                    ),
                    unit="requests",
                ),
                Panel(
                    title="Answers by flag",
                    description="Envoy's response flags: why an answer is not the app's own.",
                    queries=(
                        (
                            _rate(
                                "istio_requests_total",
                                f'reporter="source",{_SERVICE},response_flags!="-"',
                                "response_flags",
                            ),
                            "{{response_flags}}",
                        ),
                    ),
                    unit="requests",
                ),
            ),
        ),
        Row(
            title="Sizes",
            panels=tuple(
                Panel(
                    title=f"{way} sizes",
                    queries=tuple(
                        (
                            f"histogram_quantile({share}, "
                            + _rate(
                                f"istio_{way.lower()}_bytes_bucket", f"{_ARRIVED},{_SERVICE}", "le"
                            )
                            + ")",
                            word,
                        )
                        for share, word in ((0.5, "p50"), (0.95, "p95"))
                    ),
                    unit="bytes",
                )
                for way in ("Request", "Response")
            ),
        ),
    ),
)
WORKLOAD = Board(
    uid="lateen-workload",
    title="lateen / Workload",
    variables=(
        Variable(
            name="namespace",
            metric="istio_requests_total",
            label="destination_workload_namespace",
        ),
        Variable(name="workload", metric="istio_requests_total", label="destination_workload"),
    ),
    rows=(
        Row(
            title="Traffic in",
            panels=(
                *_traffic(f"{_ARRIVED},{_WORKLOAD}", "response_code", "destination_workload"),
                *_resources('namespace=~"$namespace",pod=~"$workload.*"'),
            ),
        ),
        Row(
            title="Latency",
            panels=(
                Panel(
                    title="Requests taken in",
                    queries=_latency(f"{_ARRIVED},{_WORKLOAD}"),
                    unit="milliseconds",
                ),
                Panel(
                    title="Requests sent, by whom they are for",
                    queries=(_latency(f'reporter="source",{_FROM}', "destination_service")[1],),
                    unit="milliseconds",
                ),
            ),
        ),
        Row(
            title="Traffic out",
            panels=(
                Panel(
                    title="Requests by service",
                    queries=(
                        (
                            _rate(
                                "istio_requests_total",
                                f'reporter="source",{_FROM}',
                                "destination_service",
                            ),
                            "{{destination_service}}",
                        ),
                    ),
                    unit="requests",
                ),
                Panel(
                    title="Share of failed requests by service",
                    queries=(
                        (
                            _errors(f'reporter="source",{_FROM}', "destination_service"),
                            "{{destination_service}}",
                        ),
                    ),
                    unit="share",
                    warn=0.05,
                ),
            ),
        ),
        _stability('namespace=~"$namespace",pod=~"$workload.*"'),
    ),
)
BOARDS = (MESH, SERVICE, WORKLOAD, CONTROL_PLANE)
