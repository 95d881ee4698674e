"""Which of the host's ports lead to gateways, which the border could not open, and why.

In: this round's plans, what the border's Envoy refused.    Out: addresses; ports and reasons; problems.
Before: stages/bordering.py, xds/ledger.py                  After: app/reporting.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.api.codes import PORT_TAKEN
from lateen.api.gateway import Server
from lateen.base.origin import Origin
from lateen.base.problem import Level, Problem
from lateen.envoy.resources import ResourceType
from lateen.stages.bordering import Opening, openings
from lateen.stages.planning import Planned
from lateen.world.model import Protocol
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


def door_problems(closed: Mapping[int, str], ports: Mapping[int, int]) -> tuple[Problem, ...]:
    """One for each closed port; `ports` maps a Gateway's port to the host's, where they differ."""
    gateways = {host: gateway for gateway, host in ports.items()}
    return tuple(
        Problem(
            code=PORT_TAKEN,
            level=Level.ERROR,
            origin=Origin(),
            message=f"port {port} of 127.0.0.1, for Gateway port {gateways.get(port, port)}, "
            f"cannot be used ({words})",
            fix=f"`lateen down`, then up again with --port {gateways.get(port, port)}=PORT",
        )
        for port, words in sorted(closed.items())
    )


def addresses(
    planned: Planned | None, closed: Mapping[int, str], ports: Mapping[int, int]
) -> list[dict[str, Any]]:
    """Where the gateways answer on this host, with the hosts their servers name."""
    if planned is None:
        return []
    found: dict[tuple[int, str], set[str]] = {}
    for opening in openings(planned):
        port = ports.get(opening.port, opening.port)
        for server in _servers(planned, opening) if port not in closed else ():
            names = (host.rpartition("/")[2] for host in server.hosts)
            found.setdefault((port, _scheme(server)), set()).update(names)
    return [
        {"url": f"{scheme}://127.0.0.1:{port}", "hosts": sorted(hosts)}
        for (port, scheme), hosts in sorted(found.items())
    ]


def _servers(planned: Planned, opening: Opening) -> Iterator[Server]:
    for gateway in planned.world.gateways:
        wanted = gateway.typed.spec.selector.items()
        if any(wanted <= pod.labels.items() for pod, _ in opening.pods):
            yield from (s for s in gateway.typed.spec.servers if s.port.number == opening.port)


def _scheme(server: Server) -> str:
    protocol = protocol_named(server.port.protocol)
    if protocol.is_http:
        return "http"
    if protocol is Protocol.HTTPS:
        return "https"
    return "tls" if protocol.is_tls else "tcp"
