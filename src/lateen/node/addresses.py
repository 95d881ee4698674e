"""The sandbox's addresses and ports.

In: -    Out: constants and `SandboxPaths`.
Before: -       After: the other files of node/
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from lateen.base import layout

BRIDGE = "br0"
GATEWAY = layout.GATEWAY  # the bridge: default route and DNS server of every pod
PREFIX_LENGTH = 16
POD_NETWORK = ("198.18.0.0", 16)
SERVICE_NETWORK = ("198.19.0.0", 16)
AUTO_NETWORK = ("240.240.0.0", 16)  # addresses given to ServiceEntry hosts
DNS_PORT = 53
API_PORT = layout.API_PORT  # of GATEWAY: the Kubernetes API
OTLP_PORTS = (layout.OTLP_GRPC_PORT, layout.OTLP_HTTP_PORT)  # of GATEWAY: the observer, for spans
RELAY_PORT = 15080  # in the sandbox's root namespace: the border relay
OUTBOUND_PORT = 15001  # in a pod: its Envoy, or the service proxy of a pod without one
SPARED_PORT = 15002  # in a pod: the service proxy for what goes past its Envoy
INBOUND_PORT = 15006
NOT_REDIRECTED_PORTS = (15006, 15001, 15021, 15090, 15020)
PROXY_MARK = 1337
PROBE_MARK = 1338  # of the agent's own probes to other places than the pod
SPARED_MARK = 1339  # of what the agent dials for an app whose calls go past its Envoy
PROXY_SOURCE = "127.0.0.6"  # what Envoy binds when it dials its own app, as in Istio


class SandboxPaths(Struct, frozen=True, kw_only=True):
    """Where things are, on both sides of the sandbox's wall."""

    run: Path
    state: Path

    @property
    def scratch(self) -> Path:
        """A tmpfs only the agent's mount namespace has."""
        return self.run / "s"

    @property
    def base(self) -> Path:
        """The mount point of each container's root while it is built."""
        return self.scratch / "base"

    @property
    def stage(self) -> Path:
        """The mount point of a copy-on-write folder while it is built."""
        return self.scratch / "stage"

    def volumes(self, uid: str) -> Path:
        """The volumes of one pod."""
        return self.scratch / "volumes" / uid

    def last_words(self, uid: str, container: str) -> Path:
        """The file a container may leave its termination message in."""
        return self.volumes(uid) / "..words" / container

    def pod(self, slot: str) -> Path:
        """The folder of one pod's Envoy: bootstrap.json and admin.sock."""
        return layout.pod_folder(self.run, slot)

    @property
    def api(self) -> Path:
        """Where the API takes what pods say to it."""
        return layout.pods_api_socket(self.run)

    def otlp(self, port: int) -> Path:
        """Where the observer takes what pods say to that port."""
        return layout.otlp_socket(self.run, port)

    def border(self, slot: str) -> Path:
        """Where the border Envoy takes what this pod sends to addresses outside."""
        return layout.exit_by_address(self.run, slot)

    def logs(self, namespace: str, pod: str, uid: str, container: str) -> Path:
        """The folder of one container's log files."""
        return self.state / "logs" / "pods" / f"{namespace}_{pod}_{uid}" / container
