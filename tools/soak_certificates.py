"""Five minutes of requests through a mesh whose certificates live ten seconds, with a new root half way.

In: minutes and requests a second, by option.    Out: what was counted; exit status 1 if a request failed.

Each request goes from the gateway to an app and from there to another, each time over connections of
its own, so that every request is two handshakes with the certificates of that moment.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.harness import Mesh
from tests.e2e.test_certificates import from_app_to_app, of_kind, serials, write_files


def main() -> int:
    """Run, print, and end the mesh."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--rate", type=int, default=200, help="requests a second")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        write_files(folder)
        mesh = Mesh(folder)
        try:
            mesh.up()
            return soak(mesh, given.minutes * 60, given.rate)
        finally:
            mesh.end()


def soak(mesh: Mesh, seconds: float, rate: int) -> int:
    """Ask at the rate; change the root half way; say what came back."""
    seen: Counter[int] = Counter()
    issued: set[str] = set()
    (first,) = of_kind(mesh, "root")
    rotation = threading.Timer(seconds / 2, lambda: mesh.lateen("certs", "rotate"))
    rotation.start()
    begun = time.monotonic()
    with ThreadPoolExecutor(max_workers=32) as pool:
        asked = 0
        while (passed := time.monotonic() - begun) < seconds:
            while asked < passed * rate:
                pool.submit(lambda: seen.update([from_app_to_app(mesh)]))
                asked += 1
            issued |= set(serials(mesh).values())
    rotation.join()
    took = time.monotonic() - begun
    (last,) = of_kind(mesh, "root")
    print(f"{took:.0f} s, {sum(seen.values())} requests, {sum(seen.values()) / took:.0f} a second")
    print(f"{len(issued)} certificates of 10 s seen at 3 proxies; root replaced: {last != first}")
    failed = sum(count for status, count in seen.items() if status != 200)
    print(f"failed: {failed} {dict(seen)}")
    return 0 if failed == 0 and last["serial"] != first["serial"] else 1


if __name__ == "__main__":
    sys.exit(main())
