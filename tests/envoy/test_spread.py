"""How requests are spread, counted over many: shares of a split, and keys of a consistent hash.

A real Envoy with what lateen makes of the objects, and pods behind it. A count that has a chance of less
than one in a hundred is counted once more: twice in a row is no chance.
"""

from __future__ import annotations

import shutil
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lateen.translate.plan import plan_for, proxies
from lateen.world.build import world_of
from tests.envoy import traffic
from tests.translate.cases import CASES, objects_in

pytestmark = pytest.mark.e2e
TIMES = 10_000
HTTP = "0.0.0.0_80"
# The value of chi-square that one in a hundred exceeds, by degrees of freedom.
CRITICAL = {1: 6.635, 2: 9.210}
SPLITS = {
    "half": (50, 50),
    "canary": (90, 10),
    "drop": (99, 1),
    "three": (60, 30, 10),
    "thirds": (33, 33, 34),
}
BASE = (CASES / "base.yaml").read_text()


def _rule(name: str, shares: tuple[int, ...]) -> str:
    to = "".join(
        f"    - {{destination: {{host: reviews, subset: v{number}}}, weight: {share}}}\n"
        for number, share in enumerate(shares, 1)
    )
    return f"  - match: [{{uri: {{prefix: /{name}}}}}]\n    route:\n{to}"


SPLIT_RULES = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
""" + "".join(_rule(name, shares) for name, shares in SPLITS.items())
HASH = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop, creationTimestamp: "2020-01-01T00:00:00Z"}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user, ALGORITHM}}}
"""


class Link:
    """One connection to the client's own proxy, on which one request follows the other."""

    def __init__(self, path: str) -> None:
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(20)
        self._link.connect(path)

    def close(self) -> None:
        self._link.close()

    def ask(self, path: str, headers: list[str]) -> list[str]:
        """The pods that answered one request for each entry of `headers`, in order."""
        return [self._one(path, each) for each in headers]

    def _one(self, path: str, header: str) -> str:
        self._link.sendall(f"GET {path} HTTP/1.1\r\nhost: reviews\r\n{header}\r\n".encode())
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            part = self._link.recv(1 << 16)
            assert part, got
            got += part
        return _pod(got.decode())


def _pod(answer: str) -> str:
    assert answer.startswith("HTTP/1.1 200"), answer
    return next(
        line.partition(": ")[2] for line in answer.splitlines() if line.startswith("x-pod: ")
    )


@contextmanager
def linked(rules: str, folder: Path, without: str = "") -> Iterator[Link]:
    """The client's proxy with these rules; `without`: a pod that is not there."""
    kept = [line for line in BASE.splitlines() if not line.startswith(f"    {without or '-'}:")]
    world = world_of(objects_in("\n".join(kept) + "\n" + rules))
    proxy = next(p for p in proxies(world) if p.pod == "client")
    folder.mkdir()
    with (
        traffic.running(world, plan_for(world, proxy)[0], folder, ()) as rig,
        closing(Link(rig.socket(HTTP))) as link,
    ):
        yield link


def chi_square(seen: Mapping[str, int], shares: Mapping[str, int]) -> float:
    """How far the counts are from the shares."""
    total, whole = sum(seen.values()), sum(shares.values())
    expected = {name: total * share / whole for name, share in shares.items()}
    return sum((seen.get(name, 0) - e) ** 2 / e for name, e in expected.items())


def test_splits_are_kept_within_chance(short: Path) -> None:
    with linked(SPLIT_RULES, short / "e") as link:
        for name, shares in SPLITS.items():
            wanted = {f"reviews-{number}": share for number, share in enumerate(shares, 1)}
            for attempt in (1, 2):
                seen = Counter(link.ask(f"/{name}", [""] * TIMES))
                assert seen.keys() == wanted.keys()
                value = chi_square(seen, wanted)
                print(f"{name} {shares}: {dict(sorted(seen.items()))}, chi-square {value:.2f}")
                if value < CRITICAL[len(shares) - 1]:
                    break
                assert attempt == 1, (name, seen, value)


@pytest.mark.parametrize(
    ("algorithm", "most_moved"),
    # Envoy deals the places of a ring out anew among the pods that are left: a sixth go to another one.
    [("ringHash: {minimumRingSize: 1024}", 50), ("maglev: {tableSize: 65537}", 15)],
    ids=["ring", "maglev"],
)
def test_a_key_keeps_its_pod_and_few_but_those_of_a_pod_that_leaves_move(
    short: Path, algorithm: str, most_moved: int
) -> None:
    keys = [f"user-{number}" for number in range(300)]
    headers = [f"x-user: {key}\r\n" for key in keys]
    rule = HASH.replace("ALGORITHM", algorithm)
    with linked(rule, short / "e") as link:
        at = dict(zip(keys, link.ask("/", headers), strict=True))
        for _ in range(3):
            assert dict(zip(keys, link.ask("/", headers), strict=True)) == at
    shares = Counter(at.values())
    assert shares.keys() == {"reviews-1", "reviews-2", "reviews-3"}
    assert all(60 <= count <= 140 for count in shares.values()), shares
    shutil.rmtree(short / "e")
    with linked(rule, short / "e", without="reviews-3") as link:
        left = dict(zip(keys, link.ask("/", headers), strict=True))
    moved = [key for key in keys if left[key] != at[key]]
    print(f"{algorithm}: {dict(shares)}, {len(moved)} of {len(keys)} keys moved")
    stayed = [key for key in moved if at[key] != "reviews-3"]
    assert len(stayed) <= most_moved, stayed
    assert set(left.values()) == {"reviews-1", "reviews-2"}
