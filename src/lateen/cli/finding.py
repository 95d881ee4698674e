"""Find the mesh and the pod that a command is about.

In: the mesh's name, what the user typed for a pod.    Out: Client; a pod's row.
Before: cli/main.py     After: cli/show.py, cli/logs.py
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lateen.apiserver.client import Client
from lateen.app.settings import directories
from lateen.base import layout
from lateen.base.errors import LateenError, NotFound, Unreachable

# kubectl's ways to name a pod by its kind, or by what made it.
_KINDS = frozenset(
    [f"{kind}{end}" for kind in ("pod", "deployment", "statefulset") for end in ("", "s")]
    + ["po", "deploy", "sts", "ds", "daemonset", "daemonsets", "job", "jobs"]
)
STATUS_SECONDS = 15.0
Row = Mapping[str, Any]


def client_of(name: str, otherwise: str = "") -> Client:
    """The client of a running mesh; raises Unreachable, naming those that do run, and what to do `otherwise`."""
    run, _, _ = directories(name)
    if not (run / "api.sock").exists():
        further = f"; {otherwise}" if otherwise else ""
        instead = _instead(name, running_meshes(run.parent))
        raise Unreachable(f"no mesh {name} runs; {instead}{further}")
    return Client(run / "api.sock")


def observer_of(name: str) -> Client:
    """The client of a running mesh's observer; raises Unreachable."""
    run, _, _ = directories(name)
    client_of(name)
    return Client(layout.observe_socket(run))


def status_of(client: Client) -> dict[str, Any]:
    """How the mesh is; raises Unreachable when its control plane is stuck, too."""
    status: dict[str, Any] = client.get("/lateen/v1/status", timeout=STATUS_SECONDS)
    return status


def running_meshes(folder: Path) -> list[str]:
    """The names of the meshes whose run directories are there."""
    return sorted(socket.parent.name for socket in folder.glob("*/api.sock"))


def _instead(name: str, others: Sequence[str]) -> str:
    if others:
        return f"these do: {', '.join(others)} (--name)"
    start = "lateen up PATH" if name == "default" else f"lateen up PATH --name {name}"
    return f"`{start}` starts it"


def find_pod(client: Client, word: str, namespace: str = "") -> Row:
    """The pod meant by a word; which one is said on stderr when there are several."""
    pods = status_of(client)["pods"]
    found = matching_pods(pods, word, namespace)
    if len(found) > 1:
        print(f"{len(found)} pods match {word}; this is {_full(found[0])}", file=sys.stderr)
    return found[0]


def matching_pods(pods: Sequence[Row], word: str, namespace: str = "") -> list[Row]:
    """The pods of that name, or of the workload of that name, or whose name begins so; ready ones first.

    A word is POD, NAMESPACE/POD, or as for kubectl deployment/NAME. Raises NotFound, with the name
    that comes nearest.
    """
    front, _, name = word.rpartition("/")
    if front and front.lower() not in _KINDS:
        if namespace and namespace != front:
            raise LateenError(f"{word} is in namespace {front}, and -n says {namespace}")
        namespace = front
    inside = [pod for pod in pods if not namespace or pod["namespace"] == namespace]
    for fits in (
        [pod for pod in inside if pod["name"] == name],
        [pod for pod in inside if name and pod["name"].startswith(f"{name}-")],
        [pod for pod in inside if name and pod["name"].startswith(name)],
    ):
        if fits:
            return sorted(fits, key=lambda pod: (not pod["isReady"], _full(pod)))
    raise NotFound(f"no pod {word}{f' in {namespace}' if namespace else ''}; {_near(name, pods)}")


def _near(name: str, pods: Sequence[Row]) -> str:
    names = {pod["name"]: pod for pod in pods}
    # Of web-546cdc97f4-cmc4v and cache-0 people remember web and cache.
    for pod in pods:
        parts = pod["name"].split("-")
        names |= {
            "-".join(parts[:end]): pod for end in range(1, len(parts)) if end >= len(parts) - 2
        }
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {names[near[0]]['namespace']}/{near[0]}?"
    return "`lateen status` lists them"


def _full(pod: Row) -> str:
    return f"{pod['namespace']}/{pod['name']}"
