"""The node agent's process: `python -m lateen.node.main --run RUN --state STATE --link FD`.

In: command line.    Out: never returns while the link is open.
Before: node/agent.py        After: node/launch.py starts it

It is the first process of fresh namespaces: when it ends, the kernel ends everything in them.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from lateen.node import sandbox
from lateen.node.addresses import SandboxPaths
from lateen.node.zygote import fork_zygote


def main() -> None:
    """Prepare the sandbox, fork the zygote while little is in memory, then run the agent."""
    parser = argparse.ArgumentParser(prog="lateen.node.main")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--link", type=int, required=True)
    options = parser.parse_args()
    os.set_inheritable(options.link, False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    paths = SandboxPaths(run=options.run, state=options.state)
    try:
        sandbox.prepare(paths)
    except OSError as error:
        fatal = {"fatal": f"the sandbox's mounts cannot be made: {error}"}
        os.write(options.link, json.dumps(fatal).encode() + b"\n")
        sys.exit(1)
    zygote = fork_zygote(options.link)

    import asyncio

    from lateen.node.agent import serve_node

    asyncio.run(serve_node(paths, zygote, options.link))
    # Whatever still runs, threads included, ends with this process.
    os._exit(0)


if __name__ == "__main__":
    main()
