"""What a real Envoy makes of what we say."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from cryptography import x509

from lateen.base.clock import SystemClock
from lateen.ca.authority import Authority
from lateen.ca.subject import Subject
from lateen.envoy.resources import Resource, ResourceType
from lateen.xds.events import Kept
from tests.xds.rig import (
    NODE,
    State,
    answering,
    cluster,
    free_port,
    get,
    listener,
    made,
    routes,
    running,
    state,
)

IDENTITY = "spiffe://cluster.local/ns/shop/sa/web"


def shop(port: int, upstream: int, *, name: str = "web", seconds: int = 1) -> State:
    return state(
        clusters={name: cluster(name, seconds=seconds)},
        endpoints={name: upstream},
        listeners={"front": listener("front", port, "80")},
        routes={"80": routes("80", to=name)},
    )


def test_envoy_starts_and_routes() -> None:
    async def scenario() -> None:
        port = free_port()
        async with answering("hello") as upstream, running(shop(port, upstream)) as rig:
            await rig.programmed()
            assert await get(port) == (200, "hello")
            assert rig.pushed() == ["CDS +web", "EDS +web", "LDS +front", "RDS +80"]
            known = rig.ads.ledger.state(NODE)
            assert known is not None
            assert known.connected_since is not None
            assert known.type(ResourceType.ROUTES).acked == ("80",)

    asyncio.run(scenario())


def test_a_bad_listener_is_refused_and_the_good_one_of_the_same_push_serves() -> None:
    async def scenario() -> None:
        port, other, third = free_port(), free_port(), free_port()
        async with answering("hello") as upstream, running(shop(port, upstream)) as rig:
            await rig.programmed()
            wanted = shop(port, upstream)
            bad = listener("bad", third, "80")
            nothing = {"@type": "type.googleapis.com/google.protobuf.Empty"}
            bad["filter_chains"][0]["filters"] = [{"name": "none", "typed_config": nothing}]
            wanted[ResourceType.LISTENER] = {
                **wanted[ResourceType.LISTENER],
                "bad": made(ResourceType.LISTENER, "bad", bad),
                "good": made(ResourceType.LISTENER, "good", listener("good", other, "80")),
            }
            rig.ads.put(NODE, wanted)
            await rig.until(lambda: bool(rig.refused()))
            assert rig.refused() == [("bad",)]
            known = rig.ads.ledger.state(NODE)
            assert known is not None
            assert not known.programmed
            assert known.type(ResourceType.LISTENER).acked == ("front", "good")
            assert known.refusals[0].message.startswith(
                "Error adding/updating listener(s) bad: Didn't find a registered implementation"
            )
            assert await get(other) == (200, "hello")

    asyncio.run(scenario())


def test_a_cluster_that_spoils_the_whole_push_is_found_out() -> None:
    async def scenario() -> None:
        port = free_port()
        async with answering("hello") as upstream, running(shop(port, upstream)) as rig:
            await rig.programmed()
            rig.events.clear()
            wanted = shop(port, upstream)
            # A negative duration is refused before any cluster is looked at.
            bad = made(ResourceType.CLUSTER, "bad", {**cluster("bad"), "connect_timeout": "-1s"})
            good = made(ResourceType.CLUSTER, "good", cluster("good"))
            wanted[ResourceType.CLUSTER] = {
                **wanted[ResourceType.CLUSTER],
                "bad": bad,
                "good": good,
            }
            rig.ads.put(NODE, wanted)
            last_good = rig.ads.ledger.last_good
            await rig.until(
                lambda: (
                    bool(rig.refused()) and last_good(NODE, ResourceType.CLUSTER, "good") is good
                )
            )
            assert rig.refused() == [("bad",)]
            assert rig.pushed()[:3] == ["CDS +bad +good", "CDS +bad", "CDS +good"]
            known = rig.ads.ledger.state(NODE)
            assert known is not None
            assert known.refusals[0].message == (
                "Invalid duration: Expected positive duration:\nseconds: -1"
            )

    asyncio.run(scenario())


def test_a_refused_route_table_leaves_the_old_one_and_its_clusters_in_place() -> None:
    async def scenario() -> None:
        port = free_port()
        async with answering("hello") as upstream, running(shop(port, upstream)) as rig:
            await rig.programmed()
            wanted = shop(port, upstream, name="next")
            twice = routes("80", to="next")
            twice["virtual_hosts"] *= 2
            wanted[ResourceType.ROUTES] = {"80": made(ResourceType.ROUTES, "80", twice)}
            rig.ads.put(NODE, wanted)
            await rig.until(lambda: bool(rig.refused()))
            assert await get(port) == (200, "hello")
            rig.ads.put(NODE, shop(port, upstream, name="next"))
            await rig.programmed()
            assert rig.pushed()[-2:] == ["RDS +80", "CDS -web"]
            assert await get(port) == (200, "hello")

    asyncio.run(scenario())


def test_no_request_fails_while_clusters_change_come_and_go() -> None:
    async def scenario() -> None:
        port = free_port()
        async with (
            answering("one") as one,
            answering("two") as two,
            running(shop(port, one)) as rig,
        ):
            await rig.programmed()
            seen: list[tuple[int, str]] = []

            async def calling() -> None:
                while True:
                    seen.append(await get(port))

            caller = asyncio.create_task(calling())
            for turn in range(12):
                # By turns the cluster is changed (and warms anew) or replaced by another one.
                upstream = (one, two)[turn // 2 % 2]
                name = f"web-{turn // 2}"
                rig.ads.put(NODE, shop(port, upstream, name=name, seconds=1 + turn % 2))
                if turn % 3:
                    await rig.programmed()
            await rig.programmed()
            seen.append(await get(port))
            caller.cancel()
            assert {status for status, _ in seen} == {200}
            assert seen[-1] == (200, "two")

    asyncio.run(scenario())


def test_after_a_restart_of_the_server_nothing_is_sent_again() -> None:
    async def scenario() -> None:
        port = free_port()
        async with answering("hello") as upstream, running(shop(port, upstream)) as rig:
            await rig.programmed()
            await rig.ads.stop()
            assert await get(port) == (200, "hello")
            # Equal content, made anew: other objects, as another process would have.
            await rig.restart(shop(port, upstream))
            await rig.programmed()
            assert rig.pushed() == []
            kept = [(e.type.short, e.names) for e in rig.events if isinstance(e, Kept)]
            assert sorted(kept) == [
                ("CDS", ("web",)),
                ("EDS", ("web",)),
                ("LDS", ("front",)),
                ("RDS", ("80",)),
            ]
            rig.ads.put(NODE, shop(port, upstream, seconds=2))
            await rig.programmed()
            assert rig.pushed() == ["CDS +web", "EDS +web"]

    asyncio.run(scenario())


def test_what_changed_while_the_server_was_away_is_sent_in_order() -> None:
    async def scenario() -> None:
        port = free_port()
        async with answering("hello") as upstream, running(shop(port, upstream)) as rig:
            await rig.programmed()
            await rig.restart(shop(port, upstream, name="other"))
            await rig.programmed()
            assert rig.pushed() == ["CDS +other", "EDS +other", "RDS +80", "CDS -web"]
            assert await get(port) == (200, "hello")

    asyncio.run(scenario())


def test_a_cluster_whose_endpoints_nobody_knows_holds_nothing_up() -> None:
    async def scenario() -> None:
        port = free_port()
        async with answering("hello") as upstream, running(shop(port, upstream)) as rig:
            await rig.programmed()
            rig.events.clear()
            wanted = shop(port, upstream)
            wanted[ResourceType.CLUSTER] = {
                **wanted[ResourceType.CLUSTER],
                "lost": made(ResourceType.CLUSTER, "lost", cluster("lost")),
            }
            wanted[ResourceType.ROUTES] = {
                "80": made(ResourceType.ROUTES, "80", routes("80", to="lost"))
            }
            rig.ads.put(NODE, wanted)
            await rig.programmed()
            assert rig.pushed() == ["CDS +lost", "EDS -lost", "RDS +80"]
            status, text = await get(port)
            assert (status, text) == (503, "no healthy upstream")

    asyncio.run(scenario())


class Purse:
    """Secrets by name; the certificate can be replaced."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.asked = 0
        self.turn()

    def turn(self) -> None:
        leaf = self._authority.issue(IDENTITY, subject=Subject(workload="web"))
        self.serial = leaf.serial
        body = {
            "name": "default",
            "tls_certificate": {
                "certificate_chain": {"inline_string": leaf.chain_pem},
                "private_key": {"inline_string": leaf.key_pem},
            },
        }
        self.default = made(ResourceType.SECRET, "default", body)

    def secret(self, node_id: str, name: str) -> Resource | None:
        self.asked += 1
        return self.default if name == "default" else None

    def still_good(self, node_id: str, name: str, version: str) -> bool:
        return (name, version) == ("default", self.default.version)


async def serial_at(port: int, roots: str) -> int:
    """The serial number of the certificate a TLS server on loopback shows."""
    context = ssl.create_default_context(cadata=roots)
    context.check_hostname = False
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_certificate_is_replaced_in_place_and_survives_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        authority = Authority.open(tmp_path, trust_domain="cluster.local", clock=SystemClock())
        purse = Purse(authority)
        async with answering("hello") as upstream:
            wanted = shop(port, upstream)
            front = made(ResourceType.LISTENER, "front", listener("front", port, "80", tls=True))
            wanted[ResourceType.LISTENER] = {"front": front}
            async with running(wanted, purse) as rig:
                await rig.programmed()
                assert await serial_at(port, authority.bundle_pem) == purse.serial
                purse.turn()
                rig.ads.refresh(NODE, ["default"])
                await rig.until(lambda: rig.acked_secret() == purse.default.version)
                assert await serial_at(port, authority.bundle_pem) == purse.serial
                purse.asked = 0
                await rig.restart(wanted)
                await rig.until(
                    lambda: any(
                        isinstance(e, Kept) and e.type is ResourceType.SECRET for e in rig.events
                    )
                )
                await rig.programmed()
                assert rig.pushed() == []
                assert purse.asked == 0
                assert await serial_at(port, authority.bundle_pem) == purse.serial

    asyncio.run(scenario())
