"""Who can call: the workloads there are, and what else conditions on identities and addresses tell apart.

In: World or callers known, Authorizations.    Out: Caller.
Before: symbolic/texts.py, ir/policy.py        After: symbolic/space.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from msgspec import Struct
from msgspec.structs import replace

from lateen.explain.symbolic.automata import AS_IT_IS
from lateen.explain.symbolic.regexes import NotRegular, literal, parse
from lateen.explain.symbolic.regexes import Sequence as InOrder
from lateen.explain.symbolic.texts import Seen, TooMany, classes, node_of
from lateen.ir.match import StringMatch
from lateen.ir.policy import (
    AddressCondition,
    Authorization,
    Condition,
    End,
    Identity,
    IdentityCondition,
    Networks,
)

_NAME = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SYMBOLS = "abcdefghijklmnopqrstuvwxyz0123456789-./ns"


class Caller(Struct, frozen=True, kw_only=True):
    """One who sends requests: as a proxy sees the connection.

    `identity` is a SPIFFE URI, "" without mTLS; `address` the connection's other end and `client` the original
    client where a trusted proxy tells of it. `known`: it is a workload there is, not one made up because a
    condition would treat it in a way of its own.
    """

    name: str
    namespace: str = ""
    identity: str = ""
    address: str = ""
    client: str = ""
    known: bool = True


def callers(
    known: Sequence[Caller],
    authorizations: Iterable[Authorization],
    trust_domain: str,
    relays: frozenset[str] = frozenset(),
) -> tuple[tuple[Caller, ...], tuple[str, ...]]:
    """The known callers, and made-up ones for every other case that these policies tell apart.

    `relays` are the names of callers that hand on requests of others and say whose. The second part tells what
    could not be followed exactly.
    """
    conditions = [each for a in authorizations for each in _conditions(a)]
    addresses = address_classes(
        n for c in conditions if isinstance(c, AddressCondition) for n in _networks(c)
    )
    clients = addresses if _looks_at_clients(conditions) else ()
    made = [
        replace(each, client=client)
        for each in known
        for client in (clients if each.name in relays and clients else ("",))
    ]
    identities, unread = _identities(known, conditions, trust_domain)
    for identity in identities:
        path = identity.split("/")
        made.append(
            Caller(
                name=f"another workload, such as one with account {path[2]}/{path[4]}",
                namespace=path[2],
                identity=f"spiffe://{identity}",
                address=addresses[0],
                known=False,
            )
        )
    for address in addresses:
        where = f" at {address}" if len(addresses) > 1 else ""
        made.append(Caller(name=f"a caller without mTLS{where}", address=address, known=False))
    return tuple(made), unread


def address_classes(networks: Iterable[IPv4Network | IPv6Network]) -> tuple[str, ...]:
    """An address for each set of these networks that an address can be in; one in none comes first."""
    every = list(dict.fromkeys(networks))
    points: set[IPv4Address | IPv6Address] = {ip_address("203.0.113.9")}
    for network in every:
        points.add(network.network_address)
        last = network.broadcast_address
        if int(last) + 1 < 1 << last.max_prefixlen:
            points.add(last + 1)
    found: dict[tuple[bool, ...], str] = {}
    for point in sorted(points, key=lambda p: (str(p) != "203.0.113.9", p.version, int(p))):
        found.setdefault(tuple(point in each for each in every), str(point))
    return tuple(sorted(found.values(), key=lambda text: any(ip_address(text) in e for e in every)))


def _conditions(authorization: Authorization) -> Iterable[Condition]:
    for policy in authorization.policies:
        for clause in policy.clauses:
            yield from clause.conditions


def _networks(condition: AddressCondition) -> Networks:
    return condition.any_of + condition.none_of


def _looks_at_clients(conditions: Iterable[Condition]) -> bool:
    return any(isinstance(c, AddressCondition) and c.end is End.CLIENT for c in conditions)


def _identities(
    known: Iterable[Caller], conditions: Iterable[Condition], trust_domain: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A principal for each class of them that no known caller is in."""
    asked = [
        (c.identity, match)
        for c in conditions
        if isinstance(c, IdentityCondition)
        for match in c.any_of + c.none_of
    ]
    unread: list[str] = []
    seen: list[Seen] = []
    for identity, match in dict.fromkeys(asked):
        try:
            seen.append((_on_principal(identity, match, trust_domain), AS_IT_IS))
        except NotRegular as reason:
            unread.append(f"{match}: {reason}")
    own = {c.identity.removeprefix("spiffe://") for c in known if c.identity}
    there = parse(f"{trust_domain.replace('.', '[.]')}/ns/{_NAME}/sa/{_NAME}")
    symbols = "".join(sorted({*_SYMBOLS, *trust_domain}))
    try:
        found = classes([(there, AS_IT_IS)], seen, symbols, nicer=own)
    except TooMany:
        return (), (*unread, "principals: too many kinds of them are told apart")
    return tuple(text for text in found if text not in own), tuple(unread)


def _on_principal(identity: Identity, match: StringMatch, trust_domain: str) -> InOrder:
    if identity is Identity.PRINCIPAL:
        return InOrder((node_of(match),))
    return InOrder((literal(f"{trust_domain}/ns/"), node_of(match), parse("/sa/[^/]+")))
