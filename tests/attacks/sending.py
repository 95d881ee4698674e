"""Send a request exactly as an attacker would write it, over HTTP/1.1 or HTTP/2, and say what came back.

In: a listener's place, a request.      Out: Outcome.
Before: tests/envoy/judging.py          After: tests/attacks/test_requests.py
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from lateen.explain.request import Request, Way
from tests.envoy.judging import connected

_QUIET = 0.1  # seconds in which an answer too many would come


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request. `raw` is all of its bytes, instead of the rest; `h2` sends the rest by HTTP/2."""

    method: str = "GET"
    path: str = "/"
    host: str = "web"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    raw: str = ""
    h2: bool = False
    peer: str = ""
    client: str = "10.0.0.1"
    port: int = 80

    @property
    def bytes(self) -> bytes:
        """As HTTP/1.1, with nothing corrected."""
        if self.raw:
            return self.raw.encode("latin-1")
        lines = [f"{self.method} {self.path} HTTP/1.1", f"host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines.append(f"content-length: {len(self.body)}")
        return "\r\n".join([*lines, "", self.body]).encode("latin-1")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The statuses of all answers, in order, the last one's body and headers; none for no answer."""

    statuses: tuple[int, ...]
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def seen(self, name: str) -> str | None:
        """What the app would have got under that name."""
        return dict(self.headers).get(f"x-seen-{name}")


def send(at: Path, sent: Sent, answers: int) -> Outcome:
    """Send it and read every answer, of which so many are expected."""
    known = Request(
        way=Way.INBOUND, port=sent.port, peer=sent.peer, client=sent.client, source=sent.client
    )
    with connected(at, known) as link:
        try:
            return _http2(link, sent) if sent.h2 else _http1(link, sent, answers)
        except OSError:
            return Outcome(statuses=())


def _http1(link: socket.socket, sent: Sent, expected: int) -> Outcome:
    link.sendall(sent.bytes)
    answers: list[Outcome] = []
    reader = link.makefile("rb")
    while not answers or sent.raw:
        link.settimeout(10 if len(answers) < expected else _QUIET)
        try:
            line = reader.readline()
        except TimeoutError:
            break
        if not line:
            break
        status, headers = int(line.split()[1]), []
        while (text := reader.readline().decode("latin-1").strip()) != "":
            name, _, value = text.partition(": ")
            headers.append((name.lower(), value))
        length = int(dict(headers).get("content-length", 0))
        body = reader.read(length).decode("latin-1")
        answers.append(Outcome(statuses=(status,), body=body, headers=tuple(headers)))
    if not answers:
        return Outcome(statuses=())
    statuses = tuple(status for each in answers for status in each.statuses)
    return Outcome(statuses=statuses, body=answers[-1].body, headers=answers[-1].headers)


def _http2(link: socket.socket, sent: Sent) -> Outcome:
    config = h2.config.H2Configuration(
        validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="latin-1"
    )
    talk = h2.connection.H2Connection(config)
    talk.initiate_connection()
    pseudo = [
        (":method", sent.method),
        (":path", sent.path),
        (":scheme", "http"),
        (":authority", sent.host),
    ]
    wanted = [(n, v) for n, v in pseudo if n not in dict(sent.headers)]
    fields = [*wanted, *sent.headers]
    encoded = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields if v != "(none)"]
    talk.send_headers(1, encoded, end_stream=not sent.body)
    if sent.body:
        talk.send_data(1, sent.body.encode(), end_stream=True)
    link.sendall(talk.data_to_send())
    headers: tuple[tuple[str, str], ...] = ()
    body = b""
    link.settimeout(10)
    while data := link.recv(65536):
        for event in talk.receive_data(data):
            match event:
                case h2.events.ResponseReceived():
                    headers = tuple((str(n), str(v)) for n, v in event.headers or ())
                case h2.events.DataReceived():
                    body += event.data or b""
                case h2.events.StreamEnded():
                    status = int(dict(headers)[":status"])
                    return Outcome(statuses=(status,), body=body.decode("latin-1"), headers=headers)
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    return Outcome(statuses=())
                case _:
                    pass
        link.sendall(talk.data_to_send())
    return Outcome(statuses=())
