"""Say what there is to scrape, as Prometheus' HTTP service discovery asks for it.

In: pods with a proxy, the address asked at.    Out: groups of targets.
Before: telemetry/annotated.py        After: app/observedmetrics.py

Source: Prometheus' http_sd_configs; labels as of its kubernetes_sd_configs, role pod.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lateen.telemetry.annotated import wants_scraping

_META = "__meta_kubernetes_"
_NOT_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")
Raw = Mapping[str, Any]


def discovered(job: str, pods: Iterable[Raw], address: str) -> list[dict[str, Any]]:
    """The targets of a job: the proxies of `istio-mesh`, or the apps of `kubernetes-pods`."""
    found = []
    for pod in pods:
        meta, status = pod["metadata"], pod.get("status") or {}
        app = wants_scraping(meta.get("annotations") or {})
        if job == "istio-mesh":
            page, port = "istio", 15090
        elif app is not None:
            page, port = "app", app[0]
        else:
            continue
        path = f"/prometheus/pods/{meta.get('namespace', '')}/{meta['name']}/{page}"
        labels = {
            "__metrics_path__": path,
            "instance": f"{status.get('podIP', '')}:{port}",
            **_labels(pod),
        }
        found.append({"targets": [address], "labels": labels})
    return found


def _labels(pod: Raw) -> dict[str, str]:
    meta, status = pod["metadata"], pod.get("status") or {}
    owner: Raw = next(iter(meta.get("ownerReferences") or ()), {})
    made = {
        f"{_META}namespace": meta.get("namespace", ""),
        f"{_META}pod_name": meta["name"],
        f"{_META}pod_ip": status.get("podIP", ""),
        f"{_META}pod_phase": status.get("phase", ""),
        f"{_META}pod_uid": meta.get("uid", ""),
        f"{_META}pod_node_name": (pod.get("spec") or {}).get("nodeName", ""),
        f"{_META}pod_controller_kind": owner.get("kind", ""),
        f"{_META}pod_controller_name": owner.get("name", ""),
    }
    for field in ("label", "annotation"):
        for name, value in (meta.get(f"{field}s") or {}).items():
            made[f"{_META}pod_{field}_{_NOT_A_LABEL.sub('_', name)}"] = str(value)
            made[f"{_META}pod_{field}present_{_NOT_A_LABEL.sub('_', name)}"] = "true"
    return made
