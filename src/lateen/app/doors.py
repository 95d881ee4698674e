"""Which of the host's ports lead to gateways and Services, which the border could not open, and why.

In: this round's plans, what the border's Envoy refused.    Out: addresses; ports and reasons; problems.
Before: stages/openings.py, xds/ledger.py                  After: app/reporting.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.api.codes import HOST_REFUSED, PORT_TAKEN
from lateen.api.gateway import Server
from lateen.base.origin import Origin
from lateen.base.problem import Level, Problem
from lateen.envoy.resources import ResourceType
from lateen.ir.plan import Mtls
from lateen.stages.exposing import ADDRESS
from lateen.stages.openings import Opening, openings
from lateen.stages.planning import Planned
from lateen.translate.mtls import mtls_index
from lateen.world.model import Injection, Protocol
from lateen.world.protocols import protocol_named
from lateen.xds.ledger import ProxyState


def closed_doors(border: ProxyState | None) -> dict[int, str]:
    """The ports of the host that are not open, with the system's words."""
    closed: dict[int, str] = {}
    for refusal in border.refusals if border else ():
        port = refusal.name.rpartition("_")[2]
        if refusal.type is ResourceType.LISTENER and port.isdigit():
            closed[int(port)] = refusal.message.rpartition(": ")[2].strip()
    return closed


def door_problems(
    closed: Mapping[int, str], ports: Mapping[int, int], planned: Planned | None = None
) -> tuple[Problem, ...]:
    """One for each closed port; `ports` maps a Service's port to the host's, where they differ."""
    gateways = {host: gateway for gateway, host in ports.items()}
    services = {o.on_host(ports): o for o in (openings(planned) if planned else ()) if not o.pods}
    return tuple(
        _taken_by_service(services[port], port, words)
        if port in services
        else Problem(
            code=PORT_TAKEN,
            level=Level.ERROR,
            origin=Origin(),
            message=f"port {port} of 127.0.0.1, for Gateway port {gateways.get(port, port)}, "
            f"cannot be used ({words})",
            fix=f"`lateen down`, then up again with --port {gateways.get(port, port)}=PORT",
        )
        for port, words in sorted(closed.items())
    )


def _taken_by_service(opening: Opening, port: int, words: str) -> Problem:
    return Problem(
        code=PORT_TAKEN,
        level=Level.WARNING,
        origin=opening.target.origin,
        message=f"port {port} of 127.0.0.1 cannot be used ({words})",
        fix=f"`lateen down`, then up again with --port {opening.port}=PORT"
        if opening.own
        else "give another nodePort",
    )


def refused_problems(planned: Planned | None) -> tuple[Problem, ...]:
    """Services whose pods refuse what clients of the host send: there is no certificate of the mesh."""
    if planned is None:
        return ()
    mtls = mtls_index(planned.world.peer_authentications)
    found = dict.fromkeys(
        opening.target.origin
        for opening in openings(planned)
        for instance in planned.world.instances_of(opening.service)
        if (pod := instance.workload) and pod.injection is Injection.SIDECAR
        if mtls.modes(pod).of(instance.port(opening.target.name) or 0) is Mtls.STRICT
    )
    return tuple(
        Problem(
            code=HOST_REFUSED,
            level=Level.WARNING,
            origin=origin,
            message="clients of this machine come as plaintext, and the proxies of the Service's pods "
            "take only mutual TLS (STRICT): they are refused",
            fix="lead them through a Gateway, or set PERMISSIVE for this port in a PeerAuthentication",
        )
        for origin in found
    )


def addresses(
    planned: Planned | None, closed: Mapping[int, str], ports: Mapping[int, int]
) -> list[dict[str, Any]]:
    """Where gateways answer on this host, with the hosts their servers name, and other Services.

    A gateway's ports of the node are not listed: they lead where its own do.
    """
    if planned is None:
        return []
    found: dict[tuple[int, str], set[str]] = {}
    for opening in openings(planned):
        port = opening.on_host(ports)
        if port in closed:
            continue
        if not opening.pods:
            scheme = _scheme(opening.target.protocol)
            found.setdefault((port, scheme), set()).add(opening.service.host)
        for server in _servers(planned, opening) if opening.own else ():
            names = (host.rpartition("/")[2] for host in server.hosts)
            protocol = protocol_named(server.port.protocol)
            found.setdefault((port, _scheme(protocol)), set()).update(names)
    return [
        {"url": f"{scheme}://{ADDRESS}:{port}", "hosts": sorted(hosts)}
        for (port, scheme), hosts in sorted(found.items())
    ]


def _servers(planned: Planned, opening: Opening) -> Iterator[Server]:
    for gateway in planned.world.gateways:
        wanted = gateway.typed.spec.selector.items()
        if any(wanted <= pod.labels.items() for pod, _ in opening.pods):
            yield from (s for s in gateway.typed.spec.servers if s.port.number == opening.port)


def _scheme(protocol: Protocol) -> str:
    if protocol.is_http:
        return "http"
    if protocol is Protocol.HTTPS:
        return "https"
    return "tls" if protocol.is_tls else "tcp"
