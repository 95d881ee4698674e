"""Probes: how often to ask, what the answers amount to, and the asking itself.

In: api Probe, a pod's address and network namespace.    Out: Tally, `probing`, Checker.
Before: node/network.py, node/grpchealth.py        After: node/containers.py

A probe's sockets are the pod's own, so a pod needs no hole for them. While a container has not yet
been ready, startup and readiness are asked more often than `periodSeconds`, so that a quick start is
seen at once; failures count once a period, so that thresholds mean what they say.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from msgspec import Struct

from lateen.api.fields import IntOrString
from lateen.api.pod import GRPCAction, HTTPGetAction, Probe, TCPSocketAction
from lateen.base.clock import Clock
from lateen.node import grpchealth, linux
from lateen.node.addresses import PROBE_MARK
from lateen.node.network import socket_in

_EAGER_SECONDS = 0.1
_EAGER_SECONDS_EXEC = 0.5
_EAGER_LONGEST = 1.0
_EAGER_GROWTH = 1.5
_MAX_STATUS_LINE = 8192
_ROUNDING = 1e-3  # seconds


class Outcome(Struct, frozen=True):
    """One answer; `detail` says why it failed."""

    ok: bool
    detail: str = ""


class Tally(Struct, frozen=True, kw_only=True):
    """Consecutive answers of one kind, and what they amount to so far."""

    passing: bool | None = None
    successes: int = 0
    failures: int = 0

    def after(self, ok: bool, probe: Probe) -> Tally:
        """Count one more answer against the probe's thresholds."""
        if ok:
            count = self.successes + 1
            passing = True if count >= probe.success_threshold else self.passing
            return Tally(passing=passing, successes=count)
        count = self.failures + 1
        passing = False if count >= probe.failure_threshold else self.passing
        return Tally(passing=passing, failures=count)


async def probing(
    probe: Probe,
    ask: Callable[[], Awaitable[Outcome]],
    clock: Clock,
    verdict: Callable[[bool, str], bool],
    *,
    eager: bool,
) -> None:
    """Ask for ever. `verdict(passing, detail)` hears each time the thresholds decide; it returns
    whether to go on."""
    tally = Tally()
    await clock.sleep(probe.initial_delay_seconds)
    wait = first = _EAGER_SECONDS_EXEC if probe.exec else _EAGER_SECONDS
    counted = -math.inf
    while True:
        outcome = await ask()
        now = clock.monotonic()
        if outcome.ok or not eager or now - counted >= probe.period_seconds - _ROUNDING:
            counted = now if not outcome.ok else -math.inf
            before, tally = tally.passing, tally.after(outcome.ok, probe)
            decided = tally.passing is not None and tally.passing != before
            if decided and not verdict(bool(tally.passing), outcome.detail):
                return
        if outcome.ok or not eager:
            eager = eager and tally.passing is not True
            wait = first
            await clock.sleep(probe.period_seconds)
        else:
            await clock.sleep(min(wait, probe.period_seconds))
            wait = min(wait * _EAGER_GROWTH, _EAGER_LONGEST)


class Checker(Struct, frozen=True, kw_only=True):
    """Asks one container. `run` executes a command in it and gives exit status and output."""

    address: str
    namespace: int
    ports: tuple[tuple[str, int], ...]
    run: Callable[[tuple[str, ...]], Awaitable[tuple[int, str]]]

    async def ask(self, probe: Probe) -> Outcome:
        """One question within `timeoutSeconds`."""
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                return await self._ask(probe)
        except TimeoutError:
            return Outcome(False, f"no answer within {probe.timeout_seconds}s")
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            return Outcome(False, str(error) or type(error).__name__)

    async def _ask(self, probe: Probe) -> Outcome:
        if probe.http_get is not None:
            return await self._http(probe.http_get)
        if probe.tcp_socket is not None:
            return await self._tcp(probe.tcp_socket)
        if probe.grpc is not None:
            return await self._grpc(probe.grpc)
        if probe.exec is not None:
            status, output = await self.run(probe.exec.command)
            return Outcome(status == 0, f"command exited with {status}: {output}")
        return Outcome(True)

    async def _http(self, action: HTTPGetAction) -> Outcome:
        port = self._port(action.port)
        reader, writer = await self._dial(action.host, port, tls=action.scheme.upper() == "HTTPS")
        headers = {h.name.lower(): f"{h.name}: {h.value}" for h in action.http_headers}
        headers.setdefault("host", f"Host: {action.host or self.address}:{port}")
        headers.setdefault("user-agent", "User-Agent: kube-probe/1.34")
        headers.setdefault("accept", "Accept: */*")
        lines = [f"GET {_path(action.path)} HTTP/1.1", *headers.values(), "Connection: close"]
        try:
            writer.write("\r\n".join((*lines, "", "")).encode())
            answer = await reader.readuntil(b"\n")
        finally:
            writer.transport.abort()
        status = int(answer.split(b" ", 2)[1])
        return Outcome(200 <= status < 400, f"HTTP probe failed with statuscode: {status}")

    async def _tcp(self, action: TCPSocketAction) -> Outcome:
        _, writer = await self._dial(action.host, self._port(action.port))
        writer.transport.abort()
        return Outcome(True)

    async def _grpc(self, action: GRPCAction) -> Outcome:
        reader, writer = await self._dial("", action.port)
        try:
            serving = await grpchealth.check(reader, writer, action.service, self.address)
        finally:
            writer.transport.abort()
        return Outcome(serving, "the gRPC health service does not say SERVING")

    def _port(self, port: IntOrString) -> int:
        named = dict(self.ports)
        if isinstance(port, str) and not port.isdigit():
            if port not in named:
                raise ValueError(f"the container has no port named {port}")
            return named[port]
        return int(port)

    async def _dial(
        self, host: str, port: int, *, tls: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = socket_in(self.namespace)
        try:
            if host and host != self.address:
                # As the kubelet: not through the pod's proxy, and whatever its policies say.
                connection.setsockopt(socket.SOL_SOCKET, linux.SO_MARK, PROBE_MARK)
            await asyncio.get_running_loop().sock_connect(connection, (host or self.address, port))
            return await asyncio.open_connection(
                sock=connection,
                ssl=_unverified() if tls else None,
                server_hostname=(host or self.address) if tls else None,
                limit=_MAX_STATUS_LINE,
            )
        except BaseException:
            with contextlib.suppress(OSError):
                connection.close()
            raise


def _path(path: str) -> str:
    """Only what may stand in a request line; the rest percent-encoded."""
    return quote(path if path.startswith("/") else f"/{path}", safe="/?&=%:@!$'()*+,;~#-._")


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # as the kubelet: a probe does not verify
    return context
