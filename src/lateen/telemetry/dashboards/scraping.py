"""How a Prometheus outside scrapes the mesh: the guide's jobs, each by the observer's address.

In: the observer's address, where its token is.    Out: Prometheus' configuration, Grafana's data source as data.
Before: telemetry/discovery.py        After: cli/dashboards.py

Pods have addresses that the host does not know; so each is scraped by way of the observer, which also says which
there are. Its labels are those that Kubernetes' own discovery gives, so that relabelling made for it holds.
"""

from __future__ import annotations

from typing import Any

JOBS = ("istio-mesh", "kubernetes-pods")
PAGES = {"lateen": "/prometheus/platform", "kube-state-metrics": "/prometheus/states"}
_PODS = (
    ("__meta_kubernetes_namespace", "namespace"),
    ("__meta_kubernetes_pod_name", "pod"),
)


def prometheus(address: str, token_file: str, *, every: str = "15s") -> dict[str, Any]:
    """`address` is host:port."""
    authorization = {"type": "Bearer", "credentials_file": token_file}
    discovered = [
        {
            "job_name": job,
            "authorization": authorization,
            "http_sd_configs": [
                {
                    "url": f"http://{address}/prometheus/sd/{job}",
                    "refresh_interval": "10s",
                    "authorization": authorization,
                }
            ],
            "relabel_configs": [
                *([_KEEP] if job == "kubernetes-pods" else []),
                *({"source_labels": [given], "target_label": name} for given, name in _PODS),
            ],
        }
        for job in JOBS
    ]
    pages = [
        {
            "job_name": job,
            "metrics_path": path,
            "authorization": authorization,
            "static_configs": [{"targets": [address], "labels": {"instance": "localhost"}}],
        }
        for job, path in PAGES.items()
    ]
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]},
        "scrape_configs": [*discovered, *pages],
    }


_KEEP = {
    "source_labels": ["__meta_kubernetes_pod_annotation_prometheus_io_scrape"],
    "action": "keep",
    "regex": "true",
}


def data_sources(url: str) -> dict[str, Any]:
    """Grafana's provisioning of lateen itself as a Prometheus; `url` has the token in it."""
    return {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "lateen",
                "uid": "lateen",
                "type": "prometheus",
                "access": "proxy",
                "url": url,
                "isDefault": True,
                "jsonData": {"timeInterval": "5s", "httpMethod": "POST"},
            }
        ],
    }


def dashboard_provider(folder: str) -> dict[str, Any]:
    """Grafana's provisioning of the dashboards in a folder."""
    return {
        "apiVersion": 1,
        "providers": [
            {"name": "lateen", "folder": "lateen", "type": "file", "options": {"path": folder}}
        ],
    }
