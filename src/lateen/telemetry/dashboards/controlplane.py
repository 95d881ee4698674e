"""The dashboard of the platform itself.

In: -    Out: CONTROL_PLANE.
Before: telemetry/dashboards/panels.py        After: telemetry/dashboards/boards.py
"""

from __future__ import annotations

from lateen.telemetry.dashboards.panels import RATE, Board, Panel, Row

CONTROL_PLANE = Board(
    uid="lateen-control-plane",
    title="lateen / Control plane",
    rows=(
        Row(
            title="Proxies",
            panels=(
                Panel(
                    title="Connected",
                    queries=(
                        ("sum(pilot_xds)", "connected"),
                        ("sum(lateen_proxy_up)", "answering"),
                    ),
                ),
                Panel(
                    title="Pushes by type",
                    queries=((f"sum by (type) (rate(pilot_xds_pushes{RATE}))", "{{type}}"),),
                ),
                Panel(
                    title="Refused",
                    queries=(("sum(increase(pilot_total_xds_rejects[5m]))", "in 5 minutes"),),
                    warn=1,
                ),
                Panel(title="Not answered yet", queries=(("sum(pilot_xds_push_queue)", "pushes"),)),
            ),
        ),
        Row(
            title="How long it takes",
            panels=(
                Panel(
                    title="From a push to its acknowledgement",
                    queries=tuple(
                        (
                            f"histogram_quantile({share}, sum by (le) "
                            f"(rate(pilot_proxy_convergence_time_bucket{RATE})))",
                            word,
                        )
                        for share, word in ((0.5, "p50"), (0.99, "p99"))
                    ),
                    unit="seconds",
                ),
                Panel(
                    title="A round",
                    queries=(
                        (
                            "histogram_quantile(0.99, sum by (le) "
                            f"(rate(lateen_round_seconds_bucket{RATE})))",
                            "p99",
                        ),
                    ),
                    unit="seconds",
                ),
                Panel(
                    title="The API, by verb",
                    queries=(
                        (
                            "histogram_quantile(0.99, sum by (le, verb) "
                            f"(rate(apiserver_request_duration_seconds_bucket{RATE})))",
                            "{{verb}} p99",
                        ),
                    ),
                    unit="seconds",
                ),
            ),
        ),
        Row(
            title="State",
            panels=(
                Panel(
                    title="Days until certificates end",
                    queries=(("min by (kind) (lateen_certificate_seconds) / 86400", "{{kind}}"),),
                ),
                Panel(title="Objects", queries=(("sum(lateen_objects)", "objects"),)),
                Panel(
                    title="Memory",
                    queries=(
                        ('process_resident_memory_bytes{job="lateen"}', "control plane"),
                        ("lateen_store_bytes", "store on disk"),
                    ),
                    unit="bytes",
                ),
                Panel(
                    title="Processor",
                    queries=(
                        (
                            f'rate(process_cpu_seconds_total{{job="lateen"}}{RATE})',
                            "control plane",
                        ),
                    ),
                    unit="cores",
                ),
            ),
        ),
    ),
)
