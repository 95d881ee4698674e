"""Whose requests are written down, counted and traced, and how they are called.

In: Proxy, Telemetry, which side reports.      Out: Watch.
Before: ir/plan.py, ir/telemetry.py            After: access.py, tracing.py, http.py

The peer's labels at the destination are in its certificate's subject, which it cannot forge.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from lateen.envoy import names
from lateen.ir.manners import USUAL_MANNERS, Manners
from lateen.ir.plan import Proxy
from lateen.ir.telemetry import USUAL, Reports, Telemetry


class Reporter(Struct, frozen=True, kw_only=True):
    """A proxy, what it is to tell, and its ways with HTTP."""

    proxy: Proxy
    telemetry: Telemetry = USUAL
    manners: Manners = USUAL_MANNERS


class Watch(Struct, frozen=True, kw_only=True):
    """What one place in a proxy tells: Istio's labels (as access log formats), and to whom.

    `traced_as_fits`: as of its Telemetry.
    """

    proxy: Proxy
    tags: Mapping[str, str]
    reports: Reports
    traced_as_fits: bool = False


def watch_of(reporter: Reporter, *, inbound: bool, service: str = "") -> Watch:
    """What the reporter tells of requests it takes in, or of those it sends."""
    telemetry = reporter.telemetry
    return Watch(
        proxy=reporter.proxy,
        tags=labels(reporter.proxy, inbound=inbound, service=service),
        reports=telemetry.server if inbound else telemetry.client,
        traced_as_fits=telemetry.traced_as_fits,
    )


def _own(proxy: Proxy, side: str) -> dict[str, str]:
    return {
        f"{side}_workload": proxy.workload or "unknown",
        f"{side}_workload_namespace": proxy.namespace,
        f"{side}_app": proxy.app or "unknown",
        f"{side}_version": proxy.version or "unknown",
        f"{side}_principal": proxy.identity,
    }


def _source_labels(proxy: Proxy) -> dict[str, str]:
    """The client's view: itself, and what its endpoint's metadata says of the other side."""
    peer = {
        f"destination_{label}": f"%UPSTREAM_METADATA({names.LATEEN}:{key})%"
        for label, key in (
            ("workload", "workload"),
            ("workload_namespace", "namespace"),
            ("app", "app"),
            ("version", "version"),
            ("principal", "principal"),
        )
    }
    service = {"destination_service": f"%METADATA(CLUSTER:{names.LATEEN}:host)%"}
    return {"reporter": "source", **_own(proxy, "source"), **peer, **service}


def _destination_labels(proxy: Proxy, service: str) -> dict[str, str]:
    """The server's view: itself, and what the peer's certificate says of the peer."""
    return {
        "reporter": "destination",
        **_own(proxy, "destination"),
        "source_principal": "%DOWNSTREAM_PEER_URI_SAN%",
        "source_subject": "%DOWNSTREAM_PEER_SUBJECT%",
        "destination_service": service or "unknown",
        "tls_version": "%DOWNSTREAM_TLS_VERSION%",
    }


def labels(proxy: Proxy, *, inbound: bool, service: str = "") -> Mapping[str, str]:
    """Istio's labels that hold for HTTP and TCP alike; the values are access log formats.

    `source_subject` and `tls_version` are for the reader to turn into the peer's workload and into
    `connection_security_policy`.
    """
    return _destination_labels(proxy, service) if inbound else _source_labels(proxy)
