"""`lateen proxy grpc-bootstrap`: what the gRPC library needs to ask for its configuration itself.

In: the pod it speaks for.       Out: the file that GRPC_XDS_BOOTSTRAP names, or the same on stdout.
Before: cli/finding.py           After: envoy/grpc.py, xds/tokens.py
"""

from __future__ import annotations

from pathlib import Path

from lateen.app.settings import directories, write_private
from lateen.base import layout
from lateen.base.errors import NotFound
from lateen.cli.finding import client_of, find_pod
from lateen.envoy.grpc import grpc_bootstrap
from lateen.xds.tokens import TokenKey


def run_grpc_bootstrap(name: str, word: str, *, namespace: str, file: str) -> int:
    """Write it (mode 0600) or print it. Raises NotFound for a pod without a proxy."""
    client = client_of(name)
    pod = find_pod(client, word, namespace)
    rows = client.get("/lateen/v1/proxies")["proxies"]
    where = pod["namespace"], pod["name"]
    node = next((row["id"] for row in rows if (row["namespace"], row["pod"]) == where), None)
    if node is None:
        raise NotFound(f"{'/'.join(where)} has no proxy, so nothing is known of what it may call")
    run, state, _ = directories(name)
    text = grpc_bootstrap(
        node_id=node,
        token=TokenKey.open(state / "tokens.key").mint(node),
        xds_socket=str(layout.xds_socket(run)),
    )
    if file:
        write_private(Path(file).absolute(), text)
    else:
        print(text, end="")
    return 0
