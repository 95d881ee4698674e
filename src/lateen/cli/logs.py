"""`lateen logs`: what a container wrote.

In: a pod's name.    Out: its lines, as the Kubernetes API's log subresource gives them.
Before: cli/finding.py     After: apiserver/client.py
"""

from __future__ import annotations

import sys
from urllib.parse import urlencode

from msgspec import Struct

from lateen.cli.finding import client_of, find_pod


class Wanted(Struct, frozen=True, kw_only=True):
    """Which lines. `tail` is how many of the last ones, None for all."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    tail: int | None = None
    timestamps: bool = False

    def query(self) -> dict[str, str]:
        """The parameters of the log subresource; source: core/v1 PodLogOptions."""
        given = {
            "container": self.container,
            "follow": "true" if self.follow else "",
            "previous": "true" if self.previous else "",
            "tailLines": "" if self.tail is None else str(self.tail),
            "timestamps": "true" if self.timestamps else "",
        }
        return {key: value for key, value in given.items() if value}


def run_logs(name: str, word: str, *, namespace: str, wanted: Wanted) -> int:
    """Print the log; with `follow` until the pod ends or Ctrl-C."""
    client = client_of(name)
    pod = find_pod(client, word, namespace)
    query = wanted.query()
    path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}/log?{urlencode(query)}"
    try:
        for line in client.stream_lines(path):
            sys.stdout.write(line if line.endswith("\n") else line + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    return 0
