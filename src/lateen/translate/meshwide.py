"""What the mesh's settings say of every backend, in the words of the IR.

In: MeshConfig.                  Out: MeshWide.
Before: api/meshconfig.py        After: translate/settings.py, translate/backends.py
"""

from __future__ import annotations

from dataclasses import dataclass

from lateen.api.destinationrule import TcpKeepalive
from lateen.api.fields import Duration
from lateen.api.meshconfig import MeshConfig
from lateen.ir.backends import Keepalive

CONNECT_TIMEOUT = 10.0  # seconds; Istio's


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshWide:
    """What holds where no DestinationRule says otherwise. `connect_timeout` in seconds."""

    connect_timeout: float = CONNECT_TIMEOUT
    keepalive: Keepalive | None = None
    upgrade: bool = False  # HTTP/2 between proxies, where ports say that they speak HTTP
    auto_mtls: bool = True
    aliases: tuple[str, ...] = ()  # further trust domains whose identities are the mesh's own


NOTHING_SAID = MeshWide()


def mesh_wide(mesh: MeshConfig) -> MeshWide:
    """Read the mesh's settings."""
    timeout = mesh.connect_timeout
    return MeshWide(
        connect_timeout=timeout.seconds if timeout else CONNECT_TIMEOUT,
        keepalive=keepalive_of(mesh.tcp_keepalive, None),
        upgrade=mesh.h2_upgrade_policy == "UPGRADE",
        auto_mtls=mesh.enable_auto_mtls is not False,
        aliases=mesh.trust_domain_aliases,
    )


def keepalive_of(written: TcpKeepalive | None, otherwise: Keepalive | None) -> Keepalive | None:
    """TCP keepalive; what is not given there is as it would be otherwise."""
    if written is None:
        return otherwise
    base = otherwise or Keepalive()
    probes = written.probes if written.probes and written.probes > 0 else base.probes
    return Keepalive(
        probes=probes,
        idle=_seconds(written.time, base.idle),
        interval=_seconds(written.interval, base.interval),
    )


def _seconds(duration: Duration | None, otherwise: float | None) -> float | None:
    return otherwise if duration is None else duration.seconds
