"""Network namespaces by netlink: the sandbox's own, with its bridge, and one per pod.

In: addresses, Sort.    Out: Network: `set_up`, `add_pod`, `remove_pod`; `socket_in`.
Before: node/rules.py, node/guarding.py        After: node/sandbox.py, node/pods.py

Nothing here has a name in the file system: a pod's namespace lives as long as its processes and the
agent's descriptor. All netlink work happens in one thread of its own, which may change namespace
without the event loop noticing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from lateen.api.interception import EVERYTHING, Interception
from lateen.ir.packets import OPEN, PodFilter
from lateen.node import addresses as at
from lateen.node import linux, nft, rules
from lateen.node.guarding import encode_guard
from lateen.node.rules import Sort

_OWN_NET = "/proc/thread-self/ns/net"


class Network:
    """The sandbox's network. Its methods are called from the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._links: IPRoute
        self._bridge = 0
        self._root = -1

    async def set_up(self) -> None:
        """Make the bridge and the rules of the sandbox's root namespace; raises EnvironmentFault."""
        await self._do(self._set_up)

    async def add_pod(
        self,
        address: str,
        sort: Sort,
        passing: PodFilter = OPEN,
        interception: Interception = EVERYTHING,
    ) -> int:
        """Make a pod's namespace with its rules in force; returns a descriptor of it."""
        namespace: int = await self._do(self._add_pod, address, sort, passing, interception)
        return namespace

    def guard_pod(self, namespace: int, passing: PodFilter) -> asyncio.Future[None]:
        """Let this pass and nothing else from now on, with no moment in between.

        The work is in its place in the queue on return: before a removal that is asked for later.
        """
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._thread, self._guard_pod, namespace, passing)

    async def remove_pod(self, address: str, namespace: int) -> None:
        """Take a pod's link away and close the descriptor; its address is free at once."""
        await self._do(self._remove_pod, address, namespace)

    async def _do(self, work: Any, *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def _set_up(self) -> None:
        self._root = os.open(_OWN_NET, os.O_RDONLY)
        self._links = links = IPRoute()
        _write("net/ipv4/ip_forward", "0")
        _write("net/ipv6/conf/all/disable_ipv6", "1", needed=False)
        _write("net/bridge/bridge-nf-call-iptables", "0", needed=False)
        nft.install(nft.encode(rules.TABLE, rules.root_chains()))
        links.link("set", index=links.link_lookup(ifname="lo")[0], state="up")
        links.link("add", ifname=at.BRIDGE, kind="bridge", address=hardware_address(at.GATEWAY))
        self._bridge = links.link_lookup(ifname=at.BRIDGE)[0]
        links.addr("add", index=self._bridge, address=at.GATEWAY, prefixlen=at.PREFIX_LENGTH)
        links.link("set", index=self._bridge, state="up")

    def _add_pod(
        self, address: str, sort: Sort, passing: PodFilter, interception: Interception
    ) -> int:
        linux.unshare(linux.CLONE_NEWNET)
        namespace = -1
        try:
            namespace = os.open(_OWN_NET, os.O_RDONLY)
            # A new namespace has no interface but lo: filtered before it is connected.
            _write("net/ipv4/ip_unprivileged_port_start", "0")
            _write("net/ipv4/ip_forward", "0")
            nft.install(rules.encode_pod(address, sort, interception))
            if passing != OPEN:
                nft.install(encode_guard(passing))
            self._connect(address)
        except BaseException:
            if namespace >= 0:
                os.close(namespace)
            raise
        finally:
            linux.setns(self._root, linux.CLONE_NEWNET)
        port = self._links.link_lookup(ifname=_port_name(address))[0]
        self._links.link("set", index=port, master=self._bridge, state="up")
        return namespace

    def _guard_pod(self, namespace: int, passing: PodFilter) -> None:
        linux.setns(namespace, linux.CLONE_NEWNET)
        try:
            nft.install(encode_guard(passing))
        finally:
            linux.setns(self._root, linux.CLONE_NEWNET)

    def _connect(self, address: str) -> None:
        with IPRoute() as links:
            links.link("set", index=links.link_lookup(ifname="lo")[0], state="up")
            outer = {"ifname": _port_name(address), "net_ns_fd": self._root}
            own = hardware_address(address)
            links.link("add", ifname="eth0", kind="veth", address=own, peer=outer)
            inner = links.link_lookup(ifname="eth0")[0]
            # A link-local address would lead past the proxies; lo keeps ::1.
            _write("net/ipv6/conf/eth0/disable_ipv6", "1", needed=False)
            links.addr("add", index=inner, address=address, prefixlen=at.PREFIX_LENGTH)
            links.link("set", index=inner, state="up")
            links.route("add", dst="default", gateway=at.GATEWAY)

    def _remove_pod(self, address: str, namespace: int) -> None:
        # In this order: the last descriptor's end takes the link away too, some time later.
        for port in self._links.link_lookup(ifname=_port_name(address)):
            self._links.link("del", index=port)
        os.close(namespace)


def hardware_address(address: str) -> str:
    """The MAC of an IPv4 address: two octets of ours (locally administered), then its own four.

    An address that is given to another pod keeps its MAC, since its neighbours remember that for half
    a minute or more and would send to nobody. The bridge's own must not follow its ports' either.
    """
    return ":".join(f"{octet:02x}" for octet in b"\x02\x4c" + socket.inet_aton(address))


def _port_name(address: str) -> str:
    """The bridge's side of a pod's link: `v` and the last two parts of its address."""
    return "v" + ".".join(address.split(".")[2:])


def _write(name: str, value: str, *, needed: bool = True) -> None:
    with contextlib.ExitStack() as stack:
        if not needed:  # absent where the kernel has no such feature
            stack.enter_context(contextlib.suppress(OSError))
        Path("/proc/sys", name).write_text(value)


def socket_in(namespace: int) -> socket.socket:
    """A TCP socket of another network namespace, non-blocking.

    The calling thread visits that namespace for three system calls and is back on return; another
    thread is not affected.
    """
    own = os.open(_OWN_NET, os.O_RDONLY)
    linux.setns(namespace, linux.CLONE_NEWNET)
    try:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    finally:
        linux.setns(own, linux.CLONE_NEWNET)
        os.close(own)
    made.setblocking(False)
    return made
