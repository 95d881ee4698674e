"""What the sandbox's DNS server answers."""

from __future__ import annotations

import asyncio

from dnslib import QTYPE, RCODE, DNSRecord

from lateen.base.clock import FakeClock
from lateen.node.dns import Lookups, Zone, answer, pack_udp
from lateen.node.protocol import Name

_ZONE = Zone.of(
    (
        Name(name="web.shop.svc.cluster.local", addresses=("198.19.0.5",)),
        Name(name="out.shop.svc.cluster.local", cname="api.example.com"),
        Name(name="alias.shop.svc.cluster.local", cname="web.shop.svc.cluster.local"),
        Name(name="*.wild.example", addresses=("240.240.0.1",)),
        Name(
            name="many.shop.svc.cluster.local", addresses=tuple(f"198.18.1.{n}" for n in range(99))
        ),
    )
)


class _Host:
    """Resolves example.com's names, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        if name == "broken.example.com":
            raise OSError("no network")
        return ("192.0.2.1",) if name == "api.example.com" else ()


def _ask(*names: str, kind: str = "A", clock: FakeClock | None = None) -> list[DNSRecord]:
    lookups = Lookups(_Host().resolve, clock or FakeClock())

    async def run() -> list[DNSRecord]:
        return [await answer(DNSRecord.question(n, kind), _ZONE, lookups) for n in names]

    return asyncio.run(run())


def _told(reply: DNSRecord) -> tuple[str, list[str]]:
    return RCODE[reply.header.rcode], [f"{QTYPE[r.rtype]} {r.rdata}" for r in reply.rr]


def test_a_service_has_its_address_in_any_case() -> None:
    (reply,) = _ask("WEB.Shop.svc.cluster.local")
    assert _told(reply) == ("NOERROR", ["A 198.19.0.5"])
    assert str(reply.rr[0].rname) == "WEB.Shop.svc.cluster.local."


def test_other_record_types_of_a_known_name_are_empty() -> None:
    (reply,) = _ask("web.shop.svc.cluster.local", kind="AAAA")
    assert _told(reply) == ("NOERROR", [])


def test_an_unknown_name_of_the_cluster_does_not_exist() -> None:
    replies = _ask("nobody.shop.svc.cluster.local", "nobody")
    assert [_told(reply)[0] for reply in replies] == ["NXDOMAIN"] * 2


def test_an_external_name_is_followed_inside_and_outside() -> None:
    outside, inside = _ask("out.shop.svc.cluster.local", "alias.shop.svc.cluster.local")
    assert _told(outside) == ("NOERROR", ["CNAME api.example.com.", "A 192.0.2.1"])
    assert _told(inside) == ("NOERROR", ["CNAME web.shop.svc.cluster.local.", "A 198.19.0.5"])


def test_a_wildcard_covers_what_is_below_it() -> None:
    below, itself = _ask("a.b.wild.example", "wild.example")
    assert _told(below) == ("NOERROR", ["A 240.240.0.1"])
    assert _told(itself)[0] == "NXDOMAIN"


def test_the_hosts_trouble_is_not_the_names_absence() -> None:
    (reply,) = _ask("broken.example.com")
    assert _told(reply)[0] == "SERVFAIL"


def test_names_outside_are_remembered_for_a_while() -> None:
    async def run() -> list[str]:
        host, clock = _Host(), FakeClock()
        lookups = Lookups(host.resolve, clock)
        for seconds in (0, 29, 2):
            await clock.advance(seconds)
            assert await lookups.addresses("api.example.com") == ("192.0.2.1",)
        return host.asked

    assert asyncio.run(run()) == ["api.example.com", "api.example.com"]


def test_a_long_answer_is_cut_for_udp_unless_there_is_room() -> None:
    (reply,) = _ask("many.shop.svc.cluster.local")
    plain = DNSRecord.question("many.shop.svc.cluster.local")
    assert DNSRecord.parse(pack_udp(plain, reply)).header.tc == 1
    (reply,) = _ask("many.shop.svc.cluster.local")
    roomy = DNSRecord.question("many.shop.svc.cluster.local")
    from dnslib import EDNS0

    roomy.add_ar(EDNS0(udp_len=4096))
    assert len(DNSRecord.parse(pack_udp(roomy, reply)).rr) == 99


def test_a_name_that_only_others_end_in_is_empty_and_exists() -> None:
    parents = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
    assert [_told(reply) for reply in _ask(*parents)] == [("NOERROR", [])] * 3
    strangers = ("nobody.svc.cluster.local", "pod.cluster.local", "b.shop.svc.cluster.local")
    assert [_told(reply) for reply in _ask(*strangers)] == [("NXDOMAIN", [])] * 3
