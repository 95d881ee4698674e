"""What the mesh's settings say of every backend, in the words of the IR.

In: MeshConfig.                  Out: MeshWide.
Before: api/meshconfig.py        After: translate/settings.py, translate/backends.py
"""

from __future__ import annotations

from msgspec import Struct

from lateen.api.destinationrule import TcpKeepalive
from lateen.api.fields import Duration
from lateen.api.gateway import CIPHERS
from lateen.api.meshconfig import STAT_WORDS, MeshConfig, TLSConfig
from lateen.ir.backends import Keepalive
from lateen.world.model import Port, Service

CONNECT_TIMEOUT = 10.0  # seconds; Istio's


class MeshWide(Struct, frozen=True, kw_only=True):
    """What holds where no DestinationRule says otherwise. `connect_timeout` in seconds."""

    connect_timeout: float = CONNECT_TIMEOUT
    keepalive: Keepalive | None = None
    upgrade: bool = False  # HTTP/2 between proxies, where ports say that they speak HTTP
    auto_mtls: bool = True
    aliases: tuple[str, ...] = ()  # further trust domains whose identities are the mesh's own
    verify: bool = True  # servers outside, by the system's roots where a rule names none
    ciphers: tuple[str, ...] = ()  # of TLS towards them
    curves: tuple[str, ...] = ()
    stat_name: str = ""  # the pattern of the name under which a backend is counted


NOTHING_SAID = MeshWide()


def mesh_wide(mesh: MeshConfig) -> MeshWide:
    """Read the mesh's settings."""
    timeout, tls = mesh.connect_timeout, mesh.tls_defaults or TLSConfig()
    return MeshWide(
        connect_timeout=timeout.seconds if timeout else CONNECT_TIMEOUT,
        keepalive=keepalive_of(mesh.tcp_keepalive, None),
        upgrade=mesh.h2_upgrade_policy == "UPGRADE",
        auto_mtls=mesh.enable_auto_mtls is not False,
        aliases=mesh.trust_domain_aliases,
        verify=mesh.verify_certificate_at_client is not False,
        ciphers=known_ciphers(tls.cipher_suites),
        curves=tls.ecdh_curves,
        stat_name=mesh.outbound_cluster_stat_name,
    )


def known_ciphers(written: tuple[str, ...]) -> tuple[str, ...]:
    """The cipher suites that Envoy has; it refuses a listener or cluster for another."""
    return tuple(each for each in written if each in CIPHERS)


def stat_name(pattern: str, service: Service, port: Port, subset: str = "") -> str:
    """The name that a pattern of Istio's makes, `%SERVICE%_%SERVICE_PORT_NAME%` and the like."""
    short = service.host if service.is_entry else f"{service.name}.{service.namespace}"
    texts = (
        short,
        service.host if service.is_entry else service.name,
        service.host,
        str(port.number),
        str(port.target),
        port.name,
        subset,
    )
    for word, text in zip(STAT_WORDS, texts, strict=True):
        pattern = pattern.replace(word, text)
    return pattern


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
