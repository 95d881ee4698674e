"""`lateen logs`: what a container wrote.

In: a pod's name.    Out: its lines, as the Kubernetes API's log subresource gives them.
Before: cli/main.py     After: apiserver/client.py
"""

from __future__ import annotations

import sys
from urllib.parse import urlencode

from lateen.cli.show import client_of, find_pod


def run_logs(
    name: str, word: str, *, container: str, follow: bool, tail: int, timestamps: bool
) -> int:
    """Print the log; with `follow` until the pod ends or Ctrl-C."""
    client = client_of(name)
    pod = find_pod(client, word)
    query: dict[str, str] = {}
    if container:
        query["container"] = container
    if follow:
        query["follow"] = "true"
    if tail >= 0:
        query["tailLines"] = str(tail)
    if timestamps:
        query["timestamps"] = "true"
    path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}/log?{urlencode(query)}"
    try:
        for line in client.stream_lines(path):
            sys.stdout.write(line if line.endswith("\n") else line + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    return 0
