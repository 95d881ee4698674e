"""What the ledger says of a proxy after what happened to it."""

from __future__ import annotations

import asyncio

from lateen.base.clock import FakeClock
from lateen.envoy.resources import Resources, ResourceType
from lateen.xds.events import Acked, Connected, Disconnected, Event, Nacked
from lateen.xds.ledger import Ledger, ProxyState, TypeState, digest_of
from tests.xds.talk import CDS, EDS, LDS, RDS, SDS, Talk, held, resource, snapshot

SHOP = snapshot(cds="web", eds="web", lds="in", rds="80")


class Noted:
    """A talk whose events go into a ledger."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger(self.clock)
        self.connect()

    def connect(self) -> None:
        self.talk = Talk()
        self.ledger.note(Connected(proxy="web"))

    def put(self, resources: Resources) -> None:
        self.ledger.want("web", resources)
        self.talk.put(resources)

    def settle(self, resources: Resources) -> None:
        self.put(resources)
        self.talk.asks(CDS)
        self.talk.asks(EDS, *resources.get(EDS, ()))
        self.talk.acks_all()
        self.talk.asks(LDS)
        self.talk.asks(RDS, *resources.get(RDS, ()))
        self.talk.acks_all()

    @property
    def state(self) -> ProxyState:
        for event in self.talk.events:
            self.ledger.note(event)
        self.talk.events.clear()
        state = self.ledger.state("web")
        assert state is not None
        return state

    def of(self, type_: ResourceType) -> TypeState:
        return self.state.type(type_)


def test_a_proxy_is_followed_from_connection_to_programmed() -> None:
    proxy = Noted()
    proxy.put(SHOP)
    start = proxy.clock.now().timestamp()
    assert proxy.state.connected_since == start
    assert not proxy.state.programmed
    proxy.talk.asks(CDS)
    assert proxy.of(CDS).pending == ("web",)
    assert (proxy.of(CDS).pushed_at, proxy.of(CDS).acked_at) == (start, None)
    asyncio.run(proxy.clock.advance(2))
    proxy.talk.acks(CDS)
    assert proxy.of(CDS) == TypeState(
        type=CDS,
        version=digest_of(SHOP[CDS]),
        wanted=1,
        acked=("web",),
        sent=1,
        pushed_at=start,
        acked_at=start + 2,
    )
    proxy.settle(SHOP)
    assert proxy.state.programmed


def test_a_newer_snapshot_is_not_programmed_until_it_is() -> None:
    proxy = Noted()
    proxy.settle(SHOP)
    assert proxy.state.programmed
    proxy.put({**SHOP, RDS: {"80": resource("80", "2")}})
    assert not proxy.state.programmed
    proxy.talk.acks_all()
    assert proxy.state.programmed


def test_a_refusal_stands_until_another_version_is_wanted() -> None:
    proxy = Noted()
    proxy.settle(SHOP)
    proxy.put({**SHOP, RDS: {"80": resource("80", "bad")}})
    proxy.talk.nacks(RDS, "goo.gle/debugstr  no such\n   thing")
    (refusal,) = proxy.state.refusals
    assert (refusal.type, refusal.name, refusal.message) == (RDS, "80", "no such\nthing")
    assert proxy.of(RDS).nacked == ("80",)
    assert proxy.of(RDS).acked == ("80",)
    assert proxy.ledger.last_good("web", RDS, "80") is SHOP[RDS]["80"]
    proxy.put(SHOP)
    assert proxy.state.refusals == ()
    assert proxy.state.programmed


def test_a_disconnected_proxy_keeps_what_it_has() -> None:
    proxy = Noted()
    proxy.settle(SHOP)
    proxy.ledger.note(Disconnected(proxy="web"))
    assert proxy.state.connected_since is None
    assert proxy.state.programmed
    assert proxy.of(LDS).acked == ("in",)
    proxy.connect()
    assert not proxy.state.programmed
    proxy.put(SHOP)
    for type_, names in ((CDS, ()), (EDS, ("web",)), (LDS, ()), (RDS, ("80",))):
        proxy.talk.asks(type_, *names, held=held(SHOP, type_))
    assert proxy.state.programmed
    assert [t.kept for t in proxy.state.types] == [1, 1, 1, 1, 0]
    assert [t.sent for t in proxy.state.types] == [0, 0, 0, 0, 0]


def test_a_removed_resource_is_forgotten() -> None:
    proxy = Noted()
    proxy.settle(snapshot(lds="a b"))
    proxy.put(snapshot(lds="a"))
    assert proxy.of(LDS).pending == ("b",)
    proxy.talk.acks_all()
    after = proxy.of(LDS)
    assert not after.pending
    assert after.acked == ("a",)


def test_a_cluster_that_was_waited_for_in_vain_is_named() -> None:
    proxy = Noted()
    proxy.settle(SHOP)
    proxy.put(snapshot(cds="web cold", eds="web", lds="in", rds="80=2"))
    timer = proxy.talk.stream.timer
    assert timer is not None
    proxy.talk.heard(proxy.talk.stream.on_timeout(timer.number))
    assert proxy.state.waited_for == ("cold",)
    proxy.talk.acks_all()
    assert not proxy.state.waited_for


def test_keys_do_not_stay_in_the_ledger() -> None:
    proxy = Noted()
    proxy.put(snapshot(sds="default=key"))
    proxy.talk.asks(SDS, "default")
    proxy.talk.acks_all()
    assert proxy.of(SDS).acked == ("default",)
    kept = proxy.ledger.last_good("web", SDS, "default")
    assert kept is not None
    assert kept.body == b""


def test_listeners_hear_every_event_until_they_stop() -> None:
    proxy = Noted()
    heard: list[Event] = []
    stop = proxy.ledger.listen(heard.append)
    proxy.put(snapshot(lds="a b"))
    proxy.talk.asks(CDS)
    proxy.talk.acks_all()
    proxy.talk.asks(LDS)
    proxy.talk.nacks(LDS, "Error adding/updating listener(s) b: no")
    assert proxy.of(LDS).acked == ("a",)
    assert [e.names for e in heard if isinstance(e, Acked) and e.type is LDS] == [("a",)]
    assert [(e.proxy, e.names) for e in heard if isinstance(e, Nacked)] == [("web", ("b",))]
    stop()
    heard.clear()
    proxy.ledger.note(Disconnected(proxy="web"))
    assert heard == []


def test_proxies_are_listed_by_name_until_forgotten() -> None:
    ledger = Ledger(FakeClock())
    ledger.want("b", SHOP)
    ledger.note(Connected(proxy="a"))
    assert [s.proxy for s in ledger.states()] == ["a", "b"]
    ledger.forget("a")
    assert ledger.state("a") is None
    assert [s.proxy for s in ledger.states()] == ["b"]


def test_the_version_of_a_set_depends_on_content_not_on_order() -> None:
    a, b = resource("a"), resource("b")
    assert digest_of({"a": a, "b": b}) == digest_of({"b": b, "a": a})
    assert digest_of({"a": a}) != digest_of({"a": resource("a", "2")})
    assert digest_of({}) == ""
