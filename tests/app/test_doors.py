"""A port that the border cannot open is told with what to do about it."""

from __future__ import annotations

from lateen.app.doors import closed_doors, door_problems
from lateen.envoy.resources import ResourceType
from lateen.xds.ledger import ProxyState, Refusal


def border(*refusals: Refusal) -> ProxyState:
    return ProxyState(
        proxy="border", types=(), connected_since=None, programmed=False, refusals=refusals
    )


def refusal(kind: ResourceType, name: str) -> Refusal:
    words = (
        f"Error adding/updating listener(s) {name}: "
        "cannot bind '127.0.0.1:9191': Address already in use\n"
    )
    return Refusal(type=kind, name=name, version="1", message=words, at=0.0)


def test_a_listener_that_cannot_bind_is_a_closed_door() -> None:
    refused = border(
        refusal(ResourceType.LISTENER, "127.0.0.1_9191"),
        refusal(ResourceType.LISTENER, "exit_5d9c7x2x"),
        refusal(ResourceType.CLUSTER, "127.0.0.1_8080"),
    )
    assert closed_doors(refused) == {9191: "Address already in use"}
    assert closed_doors(None) == {}


def test_the_problem_names_both_ports_and_the_way_out() -> None:
    (problem,) = door_problems({9191: "Address already in use"}, {80: 9191})
    assert problem.message == (
        "port 9191 of 127.0.0.1, for Gateway port 80, cannot be used (Address already in use)"
    )
    assert "--port 80=PORT" in problem.fix
