"""The inbound half of one sidecar: its ports, their mTLS, who may come in.

In: Index, a workload, its Sidecar.    Out: Inbound, problems.
Before: translate/mtls.py, translate/policy.py        After: translate/plan.py

With `ingress` a Sidecar says what the pod's ports are, and Services and containers do not.
"""

from __future__ import annotations

from msgspec import Struct

from lateen.api.meshconfig import MeshConfig
from lateen.api.sidecar import UNIX, IstioIngressListener, Sidecar
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.backends import Limits, Wire
from lateen.ir.plan import ANYWHERE, AppAt, Inbound, InboundPort, Speech
from lateen.translate.faults import not_carried
from lateen.translate.meshwide import stat_name
from lateen.translate.policy import authorization_of
from lateen.translate.settings import limits_of
from lateen.translate.views import Index, sight_of
from lateen.world.model import Owned, Protocol, Service, Workload, World
from lateen.world.protocols import protocol_named

_LOOPBACK = ("127.0.0.1", "[::1]")  # IPv6 is off in pods: the one stands for the other, as in Istio
_OWN = ("0.0.0.0", "[::]")  # noqa: S104 - what a Sidecar calls the pod's own address


class _Declared(Struct, frozen=True, kw_only=True):
    """What is known of one of the pod's ports, and which port of which Service leads to it."""

    protocol: Protocol
    service: Service | None = None
    number: int = 0
    listener: IstioIngressListener | None = None
    origin: Origin


def services_of(world: World, workload: Workload) -> tuple[Service, ...]:
    """The Kubernetes Services that select a workload, oldest first."""
    return tuple(
        service
        for service in world.services_in.get(workload.namespace, ())
        if service.selector and dict(service.selector).items() <= workload.labels.items()
    )


def inbound_of(
    index: Index, workload: Workload, sidecar: Owned[Sidecar] | None
) -> tuple[Inbound, tuple[Problem, ...]]:
    """All that comes in to a sidecar. Of several Services for one port the oldest says its protocol.

    Ports that a container or a PeerAuthentication names, but no Service, are recognised by their
    first bytes.
    """
    modes = index.mtls.modes(workload)
    declared = _by_services(index.world, workload)
    if sidecar and sidecar.typed.spec.ingress:
        declared = _by_sidecar(sidecar, declared)
    else:
        for _, number in workload.ports:
            unknown = _Declared(protocol=Protocol.UNKNOWN, origin=workload.origin)
            declared.setdefault(number, unknown)
    for number, (_, origin) in modes.by_port.items():
        declared.setdefault(number, _Declared(protocol=Protocol.UNKNOWN, origin=origin))
    sight = sight_of(index, workload)
    authorization, problems = authorization_of(sight, workload)
    faults = list(problems)
    policy = index.world.mesh.inbound_traffic_policy
    loopback = policy is not None and policy.mode == "LOCALHOST"
    ports = tuple(
        InboundPort(
            port=number,
            speech=_speech(found.protocol),
            wire=_wire(found.protocol),
            mtls=modes.of(number),
            app=_app(found, faults) or (_on_loopback(found, number) if loopback else None),
            bind=_bind(found.listener, workload),
            limits=_limits(index, workload, sidecar, found),
            stat_name=_stat_name(index.world.mesh.inbound_cluster_stat_name, found),
            service=found.service.host if found.service else "",
            origin=found.origin,
        )
        for number, found in sorted(declared.items())
    )
    made = Inbound(
        ports=ports,
        otherwise=modes.mode,
        authorization=authorization,
        mtls_from=modes.origins,
        wait=wait_of(index.world.mesh),
    )
    return made, tuple(faults)


def _by_services(world: World, workload: Workload) -> dict[int, _Declared]:
    declared: dict[int, _Declared] = {}
    for service in services_of(world, workload):
        for port in service.ports:
            number = workload.target(port.target)
            if number is not None:
                found = _Declared(
                    protocol=port.protocol,
                    service=service,
                    number=port.number,
                    origin=port.origin,
                )
                declared.setdefault(number, found)
    return declared


def _by_sidecar(sidecar: Owned[Sidecar], by_services: dict[int, _Declared]) -> dict[int, _Declared]:
    """The ports that a Sidecar lists; a Service that leads to one still lends it its rules."""
    found: dict[int, _Declared] = {}
    for index, listener in enumerate(sidecar.typed.spec.ingress):
        number = listener.port.number
        same = by_services.get(number)
        found[number] = _Declared(
            protocol=protocol_named(listener.port.protocol),
            service=same.service if same else None,
            number=number,
            listener=listener,
            origin=sidecar.origin(f"spec.ingress[{index}]"),
        )
    return found


def _app(declared: _Declared, problems: list[Problem]) -> AppAt | None:
    """Where a Sidecar says that the app answers; None for where it was dialled."""
    written = declared.listener.default_endpoint if declared.listener else ""
    if written.startswith(UNIX):
        name = written.removeprefix(UNIX)
        if name.startswith("@"):
            return AppAt(address=name)
        message = (
            "a socket with a file is out of the proxy's sight; the port dialled is asked instead"
        )
        problems.append(not_carried(declared.origin, message))
        return None
    host, _, port = written.rpartition(":")
    if host in _LOOPBACK:
        return AppAt(address="127.0.0.1", port=int(port))
    return AppAt(port=int(port)) if host in _OWN else None


def _on_loopback(declared: _Declared, number: int) -> AppAt | None:
    """A Service's port under the mesh's LOCALHOST policy; a Sidecar's says itself where it leads."""
    listed = declared.listener is not None or declared.service is None
    return None if listed else AppAt(address="127.0.0.1", port=number)


def _bind(listener: IstioIngressListener | None, workload: Workload) -> str:
    """Where the proxy itself listens; nowhere if what it hears would come back to it.

    At every address it is the pod's, as in Istio: calls out of the pod have the other.
    """
    if listener is None or listener.capture_mode != "NONE" or not listener.default_endpoint:
        return ""
    return workload.address if listener.bind in ("", ANYWHERE, "::") else listener.bind


def _limits(
    index: Index, workload: Workload, sidecar: Owned[Sidecar] | None, declared: _Declared
) -> Limits:
    """The server's side of a connection pool: the Sidecar's for the port or for all, else a rule's, else the mesh's."""
    spec = sidecar.typed.spec if sidecar else None
    pool = declared.listener.connection_pool if declared.listener else None
    pool = pool or (spec.inbound_connection_pool if spec else None)
    if pool is None and declared.service:
        rules = index.destinations.find(declared.service, workload.namespace, workload.labels)
        said = rules.effective(declared.number).pool
        pool = said.value if said else None
    default = index.world.mesh.default_traffic_policy
    pool = pool or (default.connection_pool if default else None)
    return limits_of(pool, mesh=index.wide)


def wait_of(mesh: MeshConfig) -> float | None:
    """How long a proxy waits for the first bytes where no protocol is declared, in seconds."""
    timeout = mesh.protocol_detection_timeout
    return None if timeout is None else timeout.seconds


def _stat_name(pattern: str, declared: _Declared) -> str:
    """As Istio has it, for ports that a Service leads to."""
    service = declared.service
    port = service.port(declared.number) if service else None
    return stat_name(pattern, service, port) if service and port else ""


def _speech(protocol: Protocol) -> Speech:
    if protocol.is_http:
        return Speech.HTTP
    return Speech.UNKNOWN if protocol is Protocol.UNKNOWN else Speech.TCP


def _wire(protocol: Protocol) -> Wire:
    if protocol.is_http2:
        return Wire.HTTP2
    if protocol.is_http:
        return Wire.HTTP1
    return Wire.CLIENT if protocol is Protocol.UNKNOWN else Wire.TCP
