"""How a real Envoy reads odd paths, in every way the mesh can ask for: the walkers read them the same, and judge by it.

What was found here to be read otherwise stands in ODD.
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from lateen.envoy.emit import emit
from lateen.explain.presenting import as_read
from lateen.explain.request import Answered, Denied, Forwarded, Outcome, Request, Way
from lateen.explain.walk_envoy import walk_envoy
from lateen.explain.walk_ir import walk_ir
from lateen.ir.policy import Authorization, Paths
from tests.envoy import plans, real
from tests.envoy.fields import authorization
from tests.envoy.judging import listener, short_folder
from tests.envoy.test_accepted import bootstrap
from tests.envoy.test_reference import plan_of

ODD = (
    *("/", "//", "///", "/.", "/..", "/./", "/../", "//.", "/a/..", "/a//..", "/a/%2e%2e"),
    *("/%2f", "/%2F%2f", "/%5c", "/%5C", "/\\", "/..%2fadmin", "/x/..%5cadmin", "/a%2f../b"),
    *("/..;/admin", "/x/..;a=b/admin", "/.;x", "//.;x", "/a/.;x", "/.;x/admin", "/%2e;/admin"),
    *(
        "/a/..;\\b",
        "/a\\..;b/c",
        "/a/.%2e;x/b",
        "/..%3bx/admin",
        "/a/b/..%2f..;/admin",
        "/x/..;x%2fadmin",
    ),
    *("/admin;p=1", "/admin/;p", "/%61dmin", "/%41dmin", "/adm%69n", "/%00", "/a/%00/..", "/%zz"),
    *("/%", "/%2", "/%25", "/%252f", "/%20", "/%c3%a9", "/#f", "/admin#f", "/x#/../admin"),
    *("//admin", "/./admin", "/x/../admin", "/x//../admin", "/admin//", "/?a=//b", "//?x=/../"),
    *("", "*", "a"),
)
_PARTS = (
    *("", ".", "..", "...", "a", "admin", "%2e", "%2E%2e", ".%2e", "%2f", "%2F", "%5c", "%5C"),
    *("\\", "%61", "%41", "%7e", "%5f", ";p=1", "a;p", "..;", ".;x", "%zz", "%", "%2", "%00"),
    *("%25", "%252f", "%c3%a9", "b%2f..", "..%2fadmin", "a%5c..", "..\\b", "%2f%2f", "~", "*", "A"),
)
_POLICY = {"action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/admin", "/admin/*"]}}]}]}


def paths() -> list[str]:
    """The odd ones, every pair of parts, and longer ones by chance, of which some have a query."""
    chance = random.Random(7)  # noqa: S311 - no secret
    pairs = ["/" + "/".join(pair) for pair in itertools.product(_PARTS, repeat=2)]
    longer = ["/" + "/".join(chance.choices(_PARTS, k=chance.randint(3, 5))) for _ in range(600)]
    asked = [path + chance.choice(("?", "?a=//b", "?x=/../admin")) for path in longer[:100]]
    return list(dict.fromkeys((*ODD, *pairs, *longer, *asked)))


@dataclass(frozen=True, slots=True)
class Heard:
    """What Envoy answered, and the path it went by."""

    status: int
    path: str | None


@contextmanager
def client(at: Path) -> Iterator[Asking]:
    asking = Asking(at)
    yield asking
    asking.close()


class Asking:
    """Asks over one connection as long as Envoy keeps it."""

    def __init__(self, at: Path) -> None:
        self._at = at
        self._link: socket.socket | None = None

    def close(self) -> None:
        if self._link:
            self._link.close()
        self._link = None

    def ask(self, path: str) -> Heard:
        link = self._link = self._link or self._dial()
        link.sendall(f"GET {path} HTTP/1.1\r\nhost: web\r\n\r\n".encode())
        text = b""
        while b"\r\n\r\n" not in text:
            text += link.recv(65536)
        head, _, body = text.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin1").split("\r\n")
        headers: Mapping[str, str] = dict(line.split(": ", 1) for line in lines if ": " in line)
        status = int(first.split()[1])
        if status == 400 or len(body) < int(headers.get("content-length", 0)):
            self.close()
        return Heard(status, headers.get("x-seen-path"))

    def _dial(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(10)
        link.connect(str(self._at))
        link.sendall(b"PROXY TCP4 10.0.0.1 198.18.0.7 40000 80\r\n")
        return link


def ways() -> list[tuple[Paths, Authorization]]:
    judged = authorization(_POLICY)
    return [(each, replace(judged, reads=each)) for each in Paths]


def status(outcome: Outcome) -> int:
    match outcome:
        case Forwarded():
            return 200
        case Denied():
            return 403
        case Answered():
            return outcome.status
    raise AssertionError(outcome)


@pytest.mark.e2e
def test_the_walkers_read_odd_paths_as_the_real_envoy_does() -> None:
    with short_folder() as folder:
        config = json.loads(bootstrap(plans.SIDECAR, folder))
        config["static_resources"]["listeners"] += [
            listener(one, folder / f"p{number}", (":path",))
            for number, (_, one) in enumerate(ways())
        ]
        with real.running(config, folder):
            for number, (way, one) in enumerate(ways()):
                with client(folder / f"p{number}") as envoy:
                    _agree(envoy, way, one)


def _agree(envoy: Asking, way: Paths, one: Authorization) -> None:
    plan = plan_of(one, http=True)
    sent = emit(plan)
    for path in paths():
        heard = envoy.ask(path)
        request = Request(way=Way.INBOUND, port=80, path=path, at=time.time())
        outcome = walk_ir(plan, request)
        assert heard.status == status(outcome), (way, path, heard, outcome)
        assert walk_envoy(sent, request) == outcome, (way, path)
        if heard.path is not None:
            assert as_read(request, way).path == heard.path, (way, path)
