"""What is said to a proxy, in which order: transcripts of one stream."""

from __future__ import annotations

from lateen.envoy.resources import Resource
from lateen.xds.events import Acked, GaveUpWaiting, Kept, Nacked, Programmed
from lateen.xds.messages import DeltaRequest
from tests.xds.talk import CDS, EDS, LDS, RDS, SDS, Talk, held, resource, snapshot

SHOP = snapshot(cds="web", eds="web", lds="0.0.0.0_80", rds="80")


def test_a_proxy_starts() -> None:
    proxy = Talk(SHOP)
    assert proxy.asks(CDS) == ["CDS +web"]
    assert proxy.asks(EDS, "web") == ["EDS +web"]
    assert proxy.acks(EDS) == []
    assert proxy.acks(CDS) == []
    assert proxy.asks(LDS) == ["LDS +0.0.0.0_80"]
    assert proxy.asks(RDS, "80") == ["RDS +80"]
    assert proxy.acks(LDS) == []
    assert not proxy.seen(Programmed)
    assert proxy.acks(RDS) == []
    assert [e.names for e in proxy.events if isinstance(e, Acked)] == [
        ("web",),
        ("web",),
        ("0.0.0.0_80",),
        ("80",),
    ]
    assert proxy.seen(Programmed) == [Programmed(proxy="web", snapshot=SHOP)]


def test_a_proxy_without_a_snapshot_waits_for_it() -> None:
    proxy = Talk()
    assert proxy.asks(CDS) == []
    assert proxy.asks(LDS) == []
    assert proxy.put(snapshot(cds="web")) == ["CDS +web"]
    assert proxy.acks(CDS) == ["LDS"]


def test_an_empty_type_is_answered_all_the_same() -> None:
    proxy = Talk(snapshot())
    assert proxy.asks(CDS) == ["CDS"]
    assert proxy.asks(LDS) == ["LDS"]
    proxy.acks_all()
    assert proxy.seen(Programmed)


def test_listeners_and_routes_wait_until_new_clusters_are_acked() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    after = snapshot(cds="web api", eds="web api", lds="0.0.0.0_80=2 new", rds="80=2")
    assert proxy.put(after) == ["CDS +api"]
    assert proxy.asks(EDS, "api") == ["EDS +api"]
    assert proxy.acks(EDS) == []
    assert proxy.acks(CDS) == ["LDS +0.0.0.0_80 +new", "RDS +80"]


def test_a_changed_cluster_gets_its_endpoints_again_in_the_same_batch() -> None:
    proxy = Talk()
    proxy.settled(snapshot(cds="web api", eds="web api"))
    assert proxy.put(snapshot(cds="web=2 api", eds="web api")) == ["CDS +web", "EDS +web"]


def test_a_changed_cluster_without_endpoints_is_told_so_again() -> None:
    proxy = Talk(snapshot(cds="web"))
    proxy.asks(CDS)
    assert proxy.asks(EDS, "web") == ["EDS -web"]
    proxy.acks_all()
    assert proxy.put(snapshot(cds="web=2")) == ["CDS +web", "EDS -web"]


def test_clusters_go_last_after_listeners_and_routes_are_acked() -> None:
    proxy = Talk()
    proxy.settled(snapshot(cds="web old", eds="web old", lds="a b", rds="80 81"))
    after = snapshot(cds="web", eds="web", lds="a", rds="80=2")
    assert proxy.put(after) == ["LDS -b", "RDS +80"]
    assert proxy.drops(RDS, "81") == []
    assert proxy.acks(LDS) == []
    assert proxy.acks(RDS) == ["CDS -old"]
    assert proxy.drops(EDS, "old") == []
    assert not proxy.seen(Programmed)
    assert proxy.acks(CDS) == []
    assert proxy.seen(Programmed)


def test_endpoints_go_at_once_even_while_clusters_are_waited_for() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    assert proxy.put({**SHOP, EDS: {"web": resource("web", "2")}}) == ["EDS +web"]
    changing = snapshot(cds="web new", eds="web=3 new", lds="0.0.0.0_80", rds="80=2")
    assert proxy.put(changing) == ["CDS +new", "EDS +web"]
    later = snapshot(cds="web new", eds="web=4 new", lds="0.0.0.0_80", rds="80=2")
    assert proxy.put(later) == ["EDS +web"]


def test_every_name_asked_for_is_answered() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    assert proxy.asks(EDS, "nowhere", "web") == ["EDS +web -nowhere"]
    assert proxy.asks(RDS, "99") == ["RDS -99"]
    assert proxy.asks(SDS, "kubernetes://none") == ["SDS -kubernetes://none"]
    assert proxy.asks(CDS, "none") == ["CDS -none"]


def test_a_name_that_was_unknown_is_sent_when_it_appears() -> None:
    proxy = Talk(snapshot(cds="web"))
    proxy.asks(CDS)
    assert proxy.asks(EDS, "web") == ["EDS -web"]
    assert proxy.put(snapshot(cds="web", eds="web")) == ["EDS +web"]


def test_a_withheld_ack_is_waited_for_only_so_long() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    assert proxy.put(snapshot(cds="web cold", eds="web", lds="0.0.0.0_80", rds="80=2")) == [
        "CDS +cold"
    ]
    timer = proxy.stream.timer
    assert timer is not None
    assert timer.seconds == 5.0
    assert proxy.heard(proxy.stream.on_timeout(timer.number)) == ["RDS +80"]
    assert proxy.seen(GaveUpWaiting) == [GaveUpWaiting(proxy="web", clusters=("cold",))]
    assert proxy.stream.timer is None
    proxy.acks(RDS)
    assert not proxy.seen(Programmed)
    proxy.acks(CDS)
    assert proxy.seen(Programmed)


def test_a_timer_that_was_replaced_does_nothing() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    proxy.put(snapshot(cds="web b", eds="web", lds="0.0.0.0_80", rds="80=2"))
    stale = proxy.stream.timer
    assert stale is not None
    assert proxy.acks(CDS) == ["RDS +80"]
    assert proxy.stream.timer is None
    assert proxy.heard(proxy.stream.on_timeout(stale.number)) == []


def test_nothing_waits_while_only_clusters_change() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    proxy.put(snapshot(cds="web b", eds="web", lds="0.0.0.0_80", rds="80"))
    assert proxy.stream.timer is None


def test_a_newer_snapshot_skips_the_one_being_rolled_out() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    assert proxy.put(snapshot(cds="web b", eds="web", lds="0.0.0.0_80", rds="80=to-b")) == [
        "CDS +b"
    ]
    # The route to b was never sent, and the one to c waits for c although b is acknowledged.
    assert proxy.put(snapshot(cds="web c", eds="web", lds="0.0.0.0_80", rds="80=to-c")) == [
        "CDS +c"
    ]
    assert proxy.acks(CDS) == []
    assert proxy.acks(CDS) == ["RDS +80"]
    assert proxy.unanswered[RDS][0].resources == (resource("80", "to-c"),)
    assert proxy.acks(RDS) == ["CDS -b"]


def test_a_cluster_sent_late_is_waited_for_its_own_time() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    proxy.put(snapshot(cds="web b", eds="web", lds="0.0.0.0_80", rds="80=2"))
    first = proxy.stream.timer
    proxy.put(snapshot(cds="web b c", eds="web", lds="0.0.0.0_80", rds="80=3"))
    assert first is not None
    assert proxy.stream.timer == first
    assert proxy.heard(proxy.stream.on_timeout(first.number)) == []
    second = proxy.stream.timer
    assert second is not None
    assert proxy.heard(proxy.stream.on_timeout(second.number)) == ["RDS +80"]


def test_going_back_before_anything_was_removed_sends_nothing() -> None:
    proxy = Talk()
    proxy.settled(snapshot(cds="web b", lds="a"))
    assert proxy.put(snapshot(cds="web", lds="a=2")) == ["LDS +a"]
    assert proxy.put(snapshot(cds="web b", lds="a=2")) == []
    assert proxy.acks(LDS) == []
    assert proxy.seen(Programmed)


def test_a_reconnecting_proxy_gets_only_what_changed() -> None:
    before = snapshot(cds="web old", eds="web", lds="a b", rds="80")
    now = snapshot(cds="web", eds="web=2", lds="a b=2", rds="80")
    proxy = Talk(now)
    assert proxy.asks(CDS, held=held(before, CDS)) == []
    assert proxy.asks(EDS, "web", held=held(before, EDS)) == ["EDS +web"]
    assert proxy.asks(LDS, held=held(before, LDS)) == ["LDS +b"]
    assert proxy.asks(RDS, "80", held=held(before, RDS)) == []
    assert proxy.acks_all() == ["CDS -old"]
    kept = [(e.type.short, e.names) for e in proxy.events if isinstance(e, Kept)]
    assert kept == [("CDS", ("web",)), ("LDS", ("a",)), ("RDS", ("80",))]
    assert proxy.seen(Programmed)


def test_a_reconnecting_proxy_that_holds_all_is_programmed_at_once() -> None:
    proxy = Talk(SHOP)
    for type_, names in ((CDS, ()), (EDS, ("web",)), (LDS, ()), (RDS, ("80",))):
        assert proxy.asks(type_, *names, held=held(SHOP, type_)) == []
    assert proxy.seen(Programmed)


def test_a_reconnecting_proxy_that_asks_for_no_routes_is_waited_for_only_so_long() -> None:
    before = snapshot(cds="web old", lds="a", rds="80")
    proxy = Talk(snapshot(cds="web", lds="a", rds="80"))
    assert proxy.asks(CDS, held=held(before, CDS)) == []
    assert proxy.asks(LDS, held=held(before, LDS)) == []
    timer = proxy.stream.timer
    assert timer is not None
    assert proxy.heard(proxy.stream.on_timeout(timer.number)) == ["CDS -old"]
    proxy.acks_all()
    assert proxy.seen(Programmed)
    assert not proxy.seen(GaveUpWaiting)


def test_endpoints_asked_for_before_clusters_on_a_reconnect_are_sent_again() -> None:
    # Envoy holds its cluster request back while one of them warms; what it reports may be too old.
    proxy = Talk(SHOP)
    assert proxy.asks(EDS, "web", held=held(SHOP, EDS)) == ["EDS +web"]


def test_what_is_unsubscribed_is_no_longer_sent() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    assert proxy.drops(EDS, "web") == []
    assert proxy.put({**SHOP, EDS: {"web": resource("web", "2")}}) == []
    assert proxy.asks(EDS, "web") == ["EDS +web"]


def test_a_name_asked_for_again_is_sent_again() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    assert proxy.asks(EDS, "web") == ["EDS +web"]


def test_a_wildcard_can_be_said_and_taken_back() -> None:
    proxy = Talk(snapshot(cds="a b"))
    assert proxy.asks(CDS, "a") == ["CDS +a"]
    assert proxy.asks(CDS, "*") == ["CDS +b"]
    assert proxy.drops(CDS, "a") == ["CDS +a"]
    assert proxy.drops(CDS, "*") == []
    assert proxy.put(snapshot(cds="a=2 b=2")) == []


def test_an_answer_to_an_unknown_nonce_changes_nothing() -> None:
    proxy = Talk(SHOP)
    proxy.asks(CDS)
    nonce = proxy.unanswered[CDS][0].nonce
    assert proxy.acks(CDS) == []
    events = list(proxy.events)
    for stale in (
        DeltaRequest(type=CDS, nonce="CDS-99"),
        DeltaRequest(type=CDS, nonce=nonce),
        DeltaRequest(type=CDS, nonce=nonce, error="too late"),
    ):
        assert proxy.heard(proxy.stream.on_request(stale)) == []
    assert proxy.events == events


def test_an_answer_may_carry_a_subscription() -> None:
    proxy = Talk(SHOP)
    proxy.asks(CDS)
    proxy.asks(EDS, "nowhere")
    nonce = proxy.unanswered[EDS].pop().nonce
    both = DeltaRequest(type=EDS, nonce=nonce, subscribe=("web",), unsubscribe=("nowhere",))
    assert proxy.heard(proxy.stream.on_request(both)) == ["EDS +web"]


def test_a_refused_listener_falls_back_alone() -> None:
    proxy = Talk()
    proxy.settled(snapshot(lds="a b gone"))
    after = snapshot(lds="a=2 b=bad c d=bad")
    assert proxy.put(after) == ["LDS +a +b +c +d -gone"]
    text = "Error adding/updating listener(s) b: missing ): ((\nd: no such filter: a: x\n"
    assert proxy.nacks(LDS, text) == []
    (nacked,) = [e for e in proxy.events if isinstance(e, Nacked)]
    assert nacked.names == ("b", "d")
    applied = [e for e in proxy.events if isinstance(e, Acked)][-1]
    assert (applied.names, applied.removed) == (("a", "c"), ("gone",))
    assert not proxy.seen(Programmed)
    # The refused versions are not sent again; going back to the last good one needs no push.
    assert proxy.put(snapshot(lds="a=2 b=bad c=2 d=bad")) == ["LDS +c"]
    proxy.acks_all()
    assert proxy.put(snapshot(lds="a=2 b c=2")) == []
    assert proxy.seen(Programmed)
    # A mended version is.
    assert proxy.put(snapshot(lds="a=2 b=good c=2")) == ["LDS +b"]


def test_a_refusal_that_names_nobody_is_tried_one_by_one() -> None:
    proxy = Talk()
    proxy.settled(snapshot(lds="a gone"))
    assert proxy.put(snapshot(lds="a=2 b c=bad")) == ["LDS +a +b +c -gone"]
    assert proxy.nacks(LDS, "type URL does not match") == [
        "LDS +a",
        "LDS +b",
        "LDS +c",
        "LDS -gone",
    ]
    assert not proxy.seen(Nacked)
    proxy.acks(LDS)
    proxy.acks(LDS)
    assert proxy.nacks(LDS, "type URL does not match") == []
    assert [e.names for e in proxy.events if isinstance(e, Nacked)] == [("c",)]
    assert proxy.acks(LDS) == []


def test_route_tables_travel_alone_so_that_a_refusal_tells_which() -> None:
    proxy = Talk()
    proxy.settled(snapshot(lds="a", rds="80 81"))
    assert proxy.put(snapshot(lds="a", rds="80=2 81=bad")) == ["RDS +80", "RDS +81"]
    proxy.acks(RDS)
    proxy.nacks(RDS, "route: unknown cluster 'nope'")
    assert [e.names for e in proxy.events if isinstance(e, Nacked)] == [("81",)]


def test_after_a_refusal_clusters_are_kept_for_the_routes_in_use() -> None:
    proxy = Talk()
    proxy.settled(snapshot(cds="web old", lds="a", rds="80"))
    assert proxy.put(snapshot(cds="web", lds="a", rds="80=bad")) == ["RDS +80"]
    assert proxy.nacks(RDS, "no") == []
    assert proxy.put(snapshot(cds="web", lds="a", rds="80=good")) == ["RDS +80"]
    assert proxy.acks(RDS) == ["CDS -old"]


def test_a_refused_cluster_holds_routes_back_so_that_it_can_be_left_out() -> None:
    proxy = Talk()
    proxy.settled(SHOP)
    bad = snapshot(cds="web b=bad", eds="web", lds="0.0.0.0_80", rds="80=to-b")
    assert proxy.put(bad) == ["CDS +b"]
    assert proxy.nacks(CDS, "Error adding/updating cluster(s) b: bad table size") == []
    without = snapshot(cds="web", eds="web", lds="0.0.0.0_80", rds="80=without-b")
    assert proxy.put(without) == ["RDS +80"]


def test_a_refusal_of_what_has_been_replaced_does_not_hide_the_newer() -> None:
    proxy = Talk()
    proxy.settled(snapshot(lds="a"))
    proxy.put(snapshot(lds="a=bad"))
    proxy.put(snapshot(lds="a=good"))
    assert proxy.nacks(LDS, "Error adding/updating listener(s) a: bad") == []
    assert proxy.acks(LDS) == []
    assert proxy.seen(Programmed)


def test_responses_stay_under_the_limit() -> None:
    big = {name: resource(name, name * 400) for name in ("a", "b", "c", "d")}
    proxy = Talk({CDS: big}, response_limit=1200)
    assert proxy.asks(CDS) == ["CDS +a +b", "CDS +c +d"]
    assert proxy.acks(CDS) == []
    assert proxy.asks(LDS) == []
    assert proxy.acks(CDS) == ["LDS"]


class Purse:
    """A source of secrets that notes what it was asked."""

    def __init__(self) -> None:
        self.secrets = {"default": resource("default"), "ROOTCA": resource("ROOTCA")}
        self.good: set[str] = set()
        self.asked: list[str] = []

    def secret(self, node_id: str, name: str) -> Resource | None:
        self.asked.append(f"{node_id} {name}")
        return self.secrets.get(name)

    def still_good(self, node_id: str, name: str, version: str) -> bool:
        return version in self.good


def test_secrets_come_from_the_source_and_are_replaced_when_it_says_so() -> None:
    purse = Purse()
    proxy = Talk(snapshot(sds="kubernetes://tls"), secrets=purse)
    assert proxy.asks(SDS, "default", "ROOTCA", "kubernetes://tls") == [
        "SDS +ROOTCA",
        "SDS +default",
        "SDS +kubernetes://tls",
    ]
    assert "web kubernetes://tls" not in purse.asked
    proxy.acks_all()
    assert proxy.heard(proxy.stream.on_secrets(["default"])) == []
    purse.secrets["default"] = resource("default", "2")
    assert proxy.heard(proxy.stream.on_secrets(["default"])) == ["SDS +default"]


def test_a_certificate_that_is_still_good_is_not_even_made_anew() -> None:
    purse = Purse()
    purse.good = {"issued-before-the-restart"}
    proxy = Talk(SHOP, secrets=purse)
    versions = {"default": "issued-before-the-restart", **held(snapshot(sds="ROOTCA"), SDS)}
    assert proxy.asks(SDS, "default", "ROOTCA", held=versions) == []
    assert purse.asked == ["web ROOTCA"]
    assert [e.names for e in proxy.events if isinstance(e, Kept)] == [("ROOTCA", "default")]
    assert proxy.heard(proxy.stream.on_secrets(["default"])) == ["SDS +default"]


def test_a_kept_certificate_asked_for_again_is_sent() -> None:
    purse = Purse()
    purse.good = {"old"}
    proxy = Talk(SHOP, secrets=purse)
    assert proxy.asks(SDS, "default", held={"default": "old"}) == []
    assert proxy.asks(SDS, "default") == ["SDS +default"]


def test_a_cluster_that_comes_back_while_it_goes_is_waited_for_like_a_new_one() -> None:
    both, one = snapshot(cds="a b", rds="80=both"), snapshot(cds="a", rds="80=one")
    talk = Talk()
    talk.settled(both)
    assert talk.put(one) == ["RDS +80"]
    assert talk.acks(RDS) == ["CDS -b"]
    assert talk.put(both) == ["CDS +b"], (
        "the version confirmed before is that of a cluster that went"
    )
    assert talk.acks(CDS) == []
    assert talk.acks(CDS) == ["RDS +80"]
