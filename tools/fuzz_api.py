"""Send the API hostile requests until it fails or the count is reached.

In: --count, --seed, --first.    Out: what was answered how often; exit status 1 at the first wrong answer.

`python -m tools.fuzz_api` from the repository's root. The API runs in this process over a store in
memory. A request is made from the seed and its number, so that `--first N --count 1` repeats one.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
from collections import Counter

from tests.apiserver.hostile import SLOWEST, attacked, hostile, judged
from tests.apiserver.serve import TOKEN, Client, client_of
from tests.apiserver.world import deps_for

from lateen.apiserver.app import make_app


class Heard(logging.Handler):
    """Keeps the errors the API logs: each is a bug met on the way."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take note."""
        self.said.append(self.format(record))


async def fuzz(seed: int, first: int, count: int) -> int:
    """Send the requests; the exit status."""
    heard = Heard()
    logging.getLogger().addHandler(heard)
    answers: Counter[int] = Counter()
    slowest = 0.0
    store = attacked()
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        for number in range(first, first + count):
            began = time.perf_counter()
            status, wrong = await sent(client, seed, number)
            slowest = max(slowest, time.perf_counter() - began)
            answers[status] += 1
            if wrong or heard.said:
                sys.stdout.write(f"request {number} of seed {seed}: {wrong}\n")
                sys.stdout.write("\n".join(heard.said) + "\n")
                return 1
    total = ", ".join(f"{status}: {times}" for status, times in sorted(answers.items()))
    sys.stdout.write(f"{count} requests, slowest {slowest * 1000:.0f} ms; {total}\n")
    return 0


async def sent(client: Client, seed: int, number: int) -> tuple[int, str]:
    """The status of one answer, and what is wrong with it."""
    asked = hostile(random.Random(f"{seed}/{number}"))  # noqa: S311 - repeatable, not secret
    headers = {"Content-Type": asked.content_type} if asked.content_type else {}
    try:
        async with (
            asyncio.timeout(SLOWEST),
            client.request(
                asked.method, asked.path, data=asked.body or None, headers=headers
            ) as answer,
        ):
            body = await answer.read()
            wrong = judged(answer.status, answer.content_type, body)
            return answer.status, f"{wrong}: {asked}" if wrong else ""
    except TimeoutError:
        return 0, f"no answer within {SLOWEST} seconds: {asked}"


def main() -> int:
    """Read the command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--count", type=int, default=100_000)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--first", type=int, default=0)
    asked = words.parse_args()
    return asyncio.run(fuzz(asked.seed, asked.first, asked.count))


if __name__ == "__main__":
    sys.exit(main())
