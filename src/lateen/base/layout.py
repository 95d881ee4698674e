"""Where the sockets of a running mesh are, the same on both sides of the sandbox's wall.

In: the run directory (RUN).    Out: paths.
Before: -       After: node/, stages/, app/

RUN/p/SLOT is all that a pod's Envoy sees of RUN, with RUN/x: its own bootstrap and sockets, and where
it asks for configuration. What the control plane and the agent say to each other, and the API's own
doors, are beside them in RUN.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

LONGEST_SOCKET = "/w/xxxxxxxx/spire-agent.sock"
GATEWAY = "198.18.0.1"  # the sandbox's bridge, which every pod can reach
API_PORT = 6443  # at the sandbox's bridge: where pods find the Kubernetes API
OTLP_GRPC_PORT, OTLP_HTTP_PORT = 4317, 4318  # there, too: where apps send their own spans


def xds_folder(run: Path) -> Path:
    """What every Envoy may see."""
    return run / "x"


def xds_socket(run: Path) -> Path:
    """Where Envoys ask for configuration."""
    return xds_folder(run) / "xds.sock"


def spans_socket(run: Path) -> Path:
    """Where Envoys send the spans of what they saw."""
    return xds_folder(run) / "otlp.sock"


def otlp_socket(run: Path, port: int) -> Path:
    """Where the observer takes what apps tell it, by gRPC or HTTP; the node alone dials it, for pods."""
    return run / f"otlp{port}.sock"


def pods_api_socket(run: Path) -> Path:
    """Where the API answers pods: TLS, and whoever calls must show who it is."""
    return run / "podapi.sock"


def observe_socket(run: Path) -> Path:
    """Where the observer answers lateen itself: metrics and what else it keeps."""
    return run / "observe.sock"


def observe_addresses(run: Path) -> Path:
    """Where the observer says, as JSON, at which addresses it answers others."""
    return run / "observe.json"


def metrics_socket(run: Path) -> Path:
    """Where pods' Envoys get the page of figures that they hand to whoever scrapes the pod."""
    return xds_folder(run) / "metrics.sock"


def app_metrics_socket(run: Path, slot: str) -> Path:
    """Where a pod's Envoy leads to the figures of the pod's own app."""
    return pod_folder(run, slot) / "app.sock"


def pods_folder(run: Path) -> Path:
    """The folder of all pods' folders."""
    return run / "p"


def pod_folder(run: Path, slot: str) -> Path:
    """What one pod's Envoy alone may see."""
    return pods_folder(run) / slot


def admin_socket(run: Path, slot: str) -> Path:
    """The admin interface of a pod's Envoy."""
    return pod_folder(run, slot) / "admin.sock"


def exit_socket(run: Path, slot: str) -> Path:
    """Where a pod's Envoy asks the border to connect to a host outside."""
    return pod_folder(run, slot) / "out.sock"


def exit_by_address(run: Path, slot: str) -> Path:
    """Where the border takes what a pod sends to addresses outside."""
    return pod_folder(run, slot) / "out.raw"


def gateway_socket(run: Path, slot: str, port: int | str) -> Path:
    """Where a gateway pod's Envoy takes connections for a port from the border."""
    return pod_folder(run, slot) / f"in-{port}.sock"


def identity_folder(run: Path, slot: str) -> Path:
    """What a pod's app sees of RUN, if it asks for its identity."""
    return run / "w" / slot


def identity_socket(run: Path, slot: str) -> Path:
    """Where a pod's app asks for its SVID; the name is SPIRE's."""
    return identity_folder(run, slot) / "spire-agent.sock"


def services_folder(run: Path) -> Path:
    """The sockets of Services' ports, for clients of the host."""
    return run / "n"


def service_socket(run: Path, address: str, port: int) -> Path:
    """Where the node takes connections of the host for a Service's port; as short as it can be."""
    return services_folder(run) / f"{IPv4Address(address).packed.hex()}{port:04x}.sock"
