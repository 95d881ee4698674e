"""Whether a pod has figures of its own app, and where.

In: annotations.    Out: the port and the path.
Before: -        After: stages/scraping.py, stages/bootstrapping.py

Source: the annotations `prometheus.io/scrape`, `/port` and `/path`, with the defaults of Istio's agent.
"""

from __future__ import annotations

from collections.abc import Mapping

_SCRAPE, _PORT, _PATH = (f"prometheus.io/{word}" for word in ("scrape", "port", "path"))
_OWN = (15020, 15090)  # the proxy's own, which a manifest made for Istio may name


def wants_scraping(annotations: Mapping[str, str]) -> tuple[int, str] | None:
    """The port and path of the app's own page; None if it has none, or its port is no port."""
    port = annotations.get(_PORT, "80")
    if annotations.get(_SCRAPE) != "true" or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    path = annotations.get(_PATH) or "/metrics"
    return None if int(port) in _OWN else (int(port), path if path[0] == "/" else f"/{path}")
