"""Each setting tells whether the proxies run it, and a new control plane can rely on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from lateen.api.objects import Obj
from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.envoy.resources import Resource, Resources, ResourceType
from lateen.stages.editions import edition_of
from lateen.stages.programming import Programming, remembered, said_of, uses_of
from lateen.store.memory import MemoryStore
from lateen.xds.events import Acked

ROUTES = ResourceType.ROUTES
WORDS = "80: Not supported field in StreamInfo: NOTHING"


class Mesh:
    """A VirtualService in the route table `80` of some proxies."""

    def __init__(self, *proxies: str) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.edit("1s")
        self.acked: dict[str, Resource] = {}
        self.refused: dict[ObjectKey, str] = {}
        self.proxies = proxies
        self.plan("1")
        self.programming = Programming(
            store=self.store,
            clock=self.clock,
            resources=lambda: self.planned,
            acked=lambda proxy, type_, name: self.acked.get(proxy),
            refused=lambda: self.refused,
        )

    @property
    def rule(self) -> Obj:
        (obj,) = self.store.list(kind="VirtualService")
        return obj

    def edit(self, timeout: str) -> None:
        route = {"route": [{"destination": {"host": "web"}}], "timeout": timeout}
        self.store.put(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"hosts": ["web"], "http": [route]},
            }
        )

    def plan(self, version: str) -> None:
        table = Resource(name="80", version=version, body=b"", origins=(self.rule.key,))
        self.planned: Mapping[str, Resources] = {p: {ROUTES: {"80": table}} for p in self.proxies}

    def ack(self, *proxies: str) -> None:
        for proxy in proxies:
            self.acked[proxy] = self.planned[proxy][ROUTES]["80"]
            self.programming.hear(
                Acked(proxy=proxy, type=ROUTES, resources=(self.acked[proxy],), removed=())
            )
        self.programming.step()

    def said(self) -> tuple[str, str, str]:
        said: Mapping[str, Any] = said_of(self.rule)
        return said["status"], said["reason"], said["message"]


def test_it_is_programmed_when_every_proxy_with_a_part_in_it_has_acknowledged() -> None:
    mesh = Mesh("api", "web")
    mesh.programming.step()
    assert mesh.said() == ("Unknown", "Pending", "0/2 proxies")
    mesh.ack("web")
    mesh.ack("api")
    assert mesh.said() == ("True", "Programmed", "2/2 proxies")
    assert said_of(mesh.rule)["observedGeneration"] == 1


def test_one_proxy_is_not_called_proxies_and_none_is_no_fault() -> None:
    mesh = Mesh("web")
    mesh.ack("web")
    assert mesh.said() == ("True", "Programmed", "1/1 proxy")
    unused = Mesh()
    unused.programming.step()
    assert unused.said() == ("Unknown", "Pending", "no proxy has a use for it")


def test_what_envoy_refused_is_told_in_its_words() -> None:
    mesh = Mesh("web")
    mesh.ack("web")
    mesh.refused[mesh.rule.key] = WORDS
    mesh.programming.step()
    assert mesh.said() == ("False", "RefusedByProxy", WORDS)


def test_the_time_moves_only_with_the_answer() -> None:
    mesh = Mesh("web")
    mesh.ack("web")
    since = said_of(mesh.rule)["lastTransitionTime"]
    revision = mesh.store.revision
    mesh.programming.step()
    assert mesh.store.revision == revision, "nothing new wakes nobody"
    mesh.refused[mesh.rule.key] = WORDS
    mesh.programming.clock = FakeClock(mesh.clock.now() + timedelta(hours=1))
    mesh.programming.step()
    assert (since, said_of(mesh.rule)["lastTransitionTime"]) == (
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00Z",
    )


def test_other_conditions_stay() -> None:
    mesh = Mesh("web")
    other = {"type": "Reconciled", "status": "True"}
    mesh.store.put_status(mesh.rule.key, {"conditions": [other], "note": "kept"})
    mesh.ack("web")
    status = mesh.rule.raw["status"]
    assert status["note"] == "kept"
    assert [c["type"] for c in status["conditions"]] == ["Reconciled", "Programmed"]


def test_what_was_said_holds_until_the_proxies_are_back() -> None:
    mesh = Mesh("api", "web")
    mesh.ack("api", "web")
    before = said_of(mesh.rule)
    anew = Programming(
        store=mesh.store,
        clock=mesh.clock,
        resources=lambda: mesh.planned,
        acked=lambda *_: None,
        refused=dict,
    )
    anew.step()
    assert said_of(mesh.rule) == before, "a control plane that comes back knows no answers yet"
    mesh.edit("2s")
    anew.step()
    assert said_of(mesh.rule)["message"] == "0/2 proxies", "of an edit nothing was said"


def test_at_the_end_of_everything_nothing_is_taken_back() -> None:
    mesh = Mesh("web")
    mesh.ack("web")
    mesh.programming.ended = True
    mesh.acked.clear()
    mesh.programming.step()
    assert mesh.said()[0] == "True"


@pytest.mark.parametrize(("refused", "kept"), [(False, "good"), (True, "refused"), (None, "")])
def test_a_new_control_plane_remembers(refused: bool | None, kept: str) -> None:
    mesh = Mesh("web")
    if refused is None:
        mesh.programming.step()  # nobody has answered
    else:
        mesh.refused = {mesh.rule.key: WORDS} if refused else {}
        mesh.ack("web")
    good, bad = remembered(mesh.store.list())
    assert good == ({mesh.rule.key: edition_of(mesh.rule)} if kept == "good" else {})
    assert bad == ({mesh.rule.key: (edition_of(mesh.rule), WORDS)} if kept == "refused" else {})
    mesh.edit("9s")
    assert remembered(mesh.store.list()) == ({}, {}), "what was said is of an older edit"


def test_only_settings_are_followed() -> None:
    service = ObjectKey(group="", kind="Service", namespace="shop", name="web")
    rule = Mesh().rule.key
    table = Resource(name="80", version="1", body=b"", origins=(service, rule))
    uses = uses_of({"web": {ROUTES: {"80": table}}})
    assert uses.keys() == {rule}
    assert [(use.proxies, use.resources) for use in uses[rule]] == [(("web",), (table,))]


def test_a_proxy_at_rest_is_not_asked_about_each_resource() -> None:
    mesh = Mesh("api", "web")
    mesh.programming.programmed = lambda proxy: proxy == "web"
    mesh.ack("api")
    assert "web" not in mesh.acked
    assert mesh.said() == ("True", "Programmed", "2/2 proxies")


def test_it_is_told_from_both_ends_who_runs_a_setting() -> None:
    mesh = Mesh("web", "api")
    mesh.plan("1")
    mesh.ack("web")
    key = mesh.rule.key
    assert mesh.programming.holders(key) == {"web": False, "api": True}
    assert mesh.programming.settings_at("api") == {key: True}
    assert mesh.programming.settings_at("nobody") == {}
