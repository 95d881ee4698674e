"""Probes: thresholds, how often they ask, and the gRPC question."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from lateen.api.pod import ExecAction, Probe
from lateen.base.clock import FakeClock
from lateen.node import grpchealth
from lateen.node.probes import Outcome, Tally, probing


def _tally(probe: Probe, answers: Iterable[bool]) -> list[bool | None]:
    tally, found = Tally(), []
    for ok in answers:
        tally = tally.after(ok, probe)
        found.append(tally.passing)
    return found


def test_thresholds_count_answers_in_a_row() -> None:
    probe = Probe(success_threshold=2, failure_threshold=3)
    answers = (True, False, True, True, False, False, True, False, False, False)
    passing = [None, None, None, True, True, True, True, True, True, False]
    assert _tally(probe, answers) == passing


def _heard(
    probe: Probe, answers: Iterable[bool], *, eager: bool, seconds: float
) -> tuple[list[float], list[tuple[float, bool]]]:
    """When the probe asked and what it decided, on a pretended clock; then it fails for ever."""

    async def run() -> tuple[list[float], list[tuple[float, bool]]]:
        clock, asked, decided, rest = FakeClock(), [], [], iter(answers)

        async def ask() -> Outcome:
            asked.append(round(clock.monotonic(), 2))
            return Outcome(next(rest, False))

        def verdict(passing: bool, detail: str) -> bool:
            decided.append((round(clock.monotonic(), 2), passing))
            return True

        task = asyncio.create_task(probing(probe, ask, clock, verdict, eager=eager))
        await asyncio.sleep(0)
        await clock.advance(0)
        for _ in range(int(seconds * 20)):
            await clock.advance(0.05)
        task.cancel()
        return asked, decided

    return asyncio.run(run())


def test_liveness_asks_once_a_period_after_its_delay() -> None:
    probe = Probe(initial_delay_seconds=2, period_seconds=5, failure_threshold=2)
    asked, decided = _heard(probe, (True, False), eager=False, seconds=20)
    assert asked == [2, 7, 12, 17]
    assert decided == [(2, True), (12, False)]


def test_readiness_asks_often_until_it_first_succeeds() -> None:
    asked, decided = _heard(Probe(), (False, False, False, True), eager=True, seconds=12)
    assert asked[0] == 0
    assert asked[3] < 1
    assert asked[4] == pytest.approx(asked[3] + 10, abs=0.05)
    assert decided == [(asked[3], True)]


def test_eager_failures_count_once_a_period() -> None:
    probe = Probe(period_seconds=2, failure_threshold=3, exec=ExecAction())
    asked, decided = _heard(probe, (), eager=True, seconds=6)
    assert len(asked) > 6
    assert [passing for _, passing in decided] == [False]
    assert 4 <= decided[0][0] < 5.5


@pytest.mark.parametrize(("answer", "serving"), [(b"\x08\x01", True), (b"\x08\x02", False)])
def test_grpc_health_is_read_from_a_real_server(answer: bytes, serving: bool) -> None:
    asked: list[bytes] = []

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(request)
        return answer

    method = grpc.unary_unary_rpc_method_handler(check)
    service = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})
    server = grpc.server(ThreadPoolExecutor(1), handlers=(service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        assert asyncio.run(_check(port, "shop.Cart")) is serving
        assert asked == [b"\x0a\x09shop.Cart"]
    finally:
        server.stop(None).wait()


def test_grpc_health_of_a_server_without_it_fails() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        assert asyncio.run(_check(port, "")) is False
    finally:
        server.stop(None).wait()


async def _check(port: int, service: str) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(5):
            return await grpchealth.check(reader, writer, service, f"127.0.0.1:{port}")
    finally:
        writer.close()
        await writer.wait_closed()
