"""The inbound half of one sidecar: its ports, their mTLS, who may come in.

In: Index, a workload.    Out: Inbound, problems.
Before: translate/mtls.py, translate/policy.py        After: translate/plan.py
"""

from __future__ import annotations

from dataclasses import dataclass

from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.backends import Wire
from lateen.ir.plan import Inbound, InboundPort, Speech
from lateen.translate.policy import authorization_of
from lateen.translate.views import Index
from lateen.world.model import Protocol, Service, Workload, World


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    """What is known of one of the pod's ports."""

    protocol: Protocol
    origin: Origin


def services_of(world: World, workload: Workload) -> tuple[Service, ...]:
    """The Kubernetes Services that select a workload, oldest first."""
    return tuple(
        service
        for service in world.services_in.get(workload.namespace, ())
        if service.selector and dict(service.selector).items() <= workload.labels.items()
    )


def inbound_of(index: Index, workload: Workload) -> tuple[Inbound, tuple[Problem, ...]]:
    """All that comes in to a sidecar. Of several Services for one port the oldest says its protocol.

    Ports that a container or a PeerAuthentication names, but no Service, are recognised by their
    first bytes.
    """
    modes = index.mtls.modes(workload)
    declared: dict[int, _Declared] = {}
    for service in services_of(index.world, workload):
        for port in service.ports:
            number = workload.target(port.target)
            if number is not None:
                found = _Declared(protocol=port.protocol, origin=port.origin)
                declared.setdefault(number, found)
    for _, number in workload.ports:
        unknown = _Declared(protocol=Protocol.UNKNOWN, origin=workload.origin)
        declared.setdefault(number, unknown)
    for number, (_, origin) in modes.by_port.items():
        declared.setdefault(number, _Declared(protocol=Protocol.UNKNOWN, origin=origin))
    authorization, problems = authorization_of(index.world.authorization_policies, workload)
    ports = tuple(
        InboundPort(
            port=number,
            speech=_speech(declared[number].protocol),
            wire=_wire(declared[number].protocol),
            mtls=modes.of(number),
            origin=declared[number].origin,
        )
        for number in sorted(declared)
    )
    return Inbound(ports=ports, otherwise=modes.mode, authorization=authorization), problems


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
