"""Which of the host's ports the border could not open, and why.

In: what the border's Envoy refused.    Out: ports and reasons; problems.
Before: xds/ledger.py        After: app/reporting.py
"""

from __future__ import annotations

from collections.abc import Mapping

from lateen.api.codes import PORT_TAKEN
from lateen.base.origin import Origin
from lateen.base.problem import Level, Problem
from lateen.envoy.resources import ResourceType
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
