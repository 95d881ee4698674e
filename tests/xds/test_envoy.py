"""What a real Envoy makes of what we say."""

from __future__ import annotations

import asyncio

from lateen.envoy.resources import ResourceType
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
