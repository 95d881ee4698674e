"""What the border lets through between the host and the sandbox, and nothing else.

In: -    Out: BorderPlan, Door, Exit, ByNumber.
Before: -       After: translate/leaving.py, stages/bordering.py, envoy/border.py
"""

from __future__ import annotations

from msgspec import Struct

from lateen.ir.packets import Allow


class Door(Struct, frozen=True, kw_only=True, order=True):
    """A port of the host that leads to a gateway's port, or (`gateway` False) to a Service's.

    `sockets` are the Unix sockets of that port's listener in each gateway pod
    (`RUN/p/SLOT/in-PORT.sock`), which are told the client's address, or the node's one socket of the
    Service's port. With none, connections are closed at once.
    """

    address: str = "127.0.0.1"
    port: int
    sockets: tuple[str, ...]
    gateway: bool = True


class ByNumber(Struct, frozen=True, kw_only=True, order=True):
    """Addresses that may be dialled as such: those of a network (CIDR), at a port.

    With `hosts` (`www.example.com`, `*.example.com`, `*`) only by what says that it is for one of
    them: TLS by its server name, HTTP by its host.
    """

    network: str
    port: int
    hosts: tuple[str, ...] = ()


class Exit(Struct, frozen=True, kw_only=True):
    """The way out of one pod: its own socket (`RUN/p/SLOT/out.sock`), where it asks to CONNECT.

    `by_number` (`RUN/p/SLOT/out.raw`) takes what its app sent to an address that no proxy knows: bytes
    after a header of the PROXY protocol that says where to.
    `allowed` are the (host, port) that a ServiceEntry names: they may be dialled wherever they
    lead; any other name must not lead to the host itself. `reach` is all that NetworkPolicies let the
    pod reach; None when none says anything of that. Where a pod may call only what the mesh knows
    (REGISTRY_ONLY), `registry` is all that it may dial by number, and `allowed` all by name; None: anything.
    """

    slot: str
    socket: str
    by_number: str
    allowed: tuple[tuple[str, int], ...] = ()
    reach: tuple[Allow, ...] | None = None
    registry: tuple[ByNumber, ...] | None = None


class BorderPlan(Struct, frozen=True, kw_only=True):
    """All doors and exits. `own_addresses`: every IPv4 address of the host.

    `dns_refresh`: after how many seconds a name outside is looked up anew; None for Envoy's own.
    """

    doors: tuple[Door, ...] = ()
    exits: tuple[Exit, ...] = ()
    own_addresses: tuple[str, ...] = ()
    dns_refresh: float | None = None
