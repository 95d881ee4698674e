"""Packet filter rules as nf_tables expressions, and the netlink transaction that puts them in force.

In: what packets are to match.    Out: Rule parts, Chain, AddressSet; `encode`, `install`.
Before: node/addresses.py         After: node/rules.py, node/guarding.py
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from pyroute2.netlink import NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink.nftsocket import (
    NFT_MSG_DELTABLE,
    NFT_MSG_NEWCHAIN,
    NFT_MSG_NEWRULE,
    NFT_MSG_NEWSET,
    NFT_MSG_NEWSETELEM,
    NFT_MSG_NEWTABLE,
    nft_chain_msg,
    nft_rule_msg,
    nft_set_elem_list_msg,
    nft_set_msg,
    nft_table_msg,
)
from pyroute2.nftables.expressions import genex, verdict

from lateen.base.errors import EnvironmentFault

Expression = list[Any]
Rule = tuple[Expression, ...]

EQUAL, NOT_EQUAL, _AT_MOST, _AT_LEAST = 0, 1, 3, 5
DROP, ACCEPT = 0, 1
SOURCE, DESTINATION = 12, 16  # offsets of the addresses in the header of IPv4
_META_MARK, _META_IIFNAME, _META_OIFNAME, _META_L4PROTO = 3, 6, 7, 16
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_CT_STATE, _CT_DIRECTION, _CT_STATUS = 0, 1, 2
_ESTABLISHED, _RELATED, _STATUS_DST_NAT = 2, 4, 32
_DIRECTION_REPLY = 1
_REJECT_ICMP, _REJECT_RESET = 0, 1
_ICMP_ADMINISTRATIVELY_PROHIBITED = 13
_HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NETLINK_NETFILTER = 12
_NLMSG_HEADER = 16
_ANSWER_SECONDS = 10.0
_IPV4_ADDRESS = 7  # nft's own number for the type of a set's keys; the kernel only keeps it
_MOST_ELEMENTS = 1000  # of one message: an attribute has 65,535 bytes


class Chain(Struct, frozen=True, kw_only=True):
    """One base chain; rules in order, then the policy."""

    name: str
    hook: str
    type: str
    rules: tuple[Rule, ...]
    accept: bool = True
    priority: int = 0


class AddressSet(Struct, frozen=True, kw_only=True):
    """IPv4 addresses under a name that rules can look in."""

    name: str
    addresses: tuple[str, ...]


def _compare(value: bytes, op: int = EQUAL) -> Expression:
    data = {"attrs": [("NFTA_DATA_VALUE", value)]}
    return [genex("cmp", {"sreg": 1, "op": op, "data": data})]


def _load(value: bytes) -> Expression:
    data = {"attrs": [("NFTA_DATA_VALUE", value)]}
    return [genex("immediate", {"dreg": 1, "data": data})]


def _meta(key: int) -> Expression:
    return [genex("meta", {"dreg": 1, "key": key})]


def _tracked(key: int) -> Expression:
    return [genex("ct", {"dreg": 1, "key": key})]


def _payload(base: int, offset: int, length: int) -> Expression:
    return [genex("payload", {"dreg": 1, "base": base, "offset": offset, "len": length})]


def _masked(mask: bytes) -> Expression:
    return [
        genex(
            "bitwise",
            {
                "sreg": 1,
                "dreg": 1,
                "len": len(mask),
                "mask": {"attrs": [("NFTA_DATA_VALUE", mask)]},
                "xor": {"attrs": [("NFTA_DATA_VALUE", bytes(len(mask)))]},
            },
        )
    ]


def _any_of(bits: int) -> Rule:
    return _masked(struct.pack("=I", bits)), _compare(bytes(4), NOT_EQUAL)


KNOWN: Rule = (_tracked(_CT_STATE), *_any_of(_RELATED | _ESTABLISHED))
RELATED: Rule = (_tracked(_CT_STATE), *_any_of(_RELATED))
ANSWER: Rule = (_tracked(_CT_DIRECTION), _compare(bytes([_DIRECTION_REPLY])))
REDIRECTED: Rule = (_tracked(_CT_STATUS), *_any_of(_STATUS_DST_NAT))


def input_from(name: str) -> Rule:
    """Packets that came by that interface."""
    return _meta(_META_IIFNAME), _compare(name.encode().ljust(16, b"\0"))


def output_to(name: str) -> Rule:
    """Packets that go by that interface."""
    return _meta(_META_OIFNAME), _compare(name.encode().ljust(16, b"\0"))


def of_protocol(number: int) -> Rule:
    """Packets of that protocol over IP."""
    return _meta(_META_L4PROTO), _compare(bytes([number]))


def marked(mark: int) -> Rule:
    """Packets of a socket with that SO_MARK."""
    return _meta(_META_MARK), _compare(struct.pack("=I", mark))


TCP, UDP, ICMP = (
    of_protocol(n) for n in (socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP)
)


def on_port(number: int, *, source: bool = False) -> Rule:
    """Packets to that port, or from it; after a rule for the protocol."""
    loaded = _payload(_TRANSPORT_HEADER, 0 if source else 2, 2)
    return loaded, _compare(struct.pack("!H", number))


def on_ports(first: int, last: int) -> Rule:
    """Packets to a port of that range, ends included; after a rule for the protocol."""
    if first == last:
        return on_port(first)
    least, most = (struct.pack("!H", number) for number in (first, last))
    loaded = _payload(_TRANSPORT_HEADER, 2, 2)
    return loaded, _compare(least, _AT_LEAST), _compare(most, _AT_MOST)


def address_in(which: int, address: str, length: int = 32, op: int = EQUAL) -> Rule:
    """Packets whose SOURCE or DESTINATION is (or is not) in a network."""
    loaded = _payload(_NETWORK_HEADER, which, 4)
    if length == 32:
        return loaded, _compare(socket.inet_aton(address), op)
    mask = struct.pack("!I", 0xFFFFFFFF << (32 - length) & 0xFFFFFFFF)
    return loaded, _masked(mask), _compare(socket.inet_aton(address), op)


def address_among(which: int, name: str) -> Rule:
    """Packets whose SOURCE or DESTINATION is in the set of that name."""
    return _payload(_NETWORK_HEADER, which, 4), [genex("lookup", {"set": name, "sreg": 1})]


def redirect_to(port: int) -> Rule:
    """To that port of this namespace instead."""
    return _load(struct.pack("!H", port)), [genex("redir", {"reg_proto_min": 1})]


def end(code: int) -> Rule:
    """ACCEPT or DROP."""
    return (verdict(code),)


def refusals() -> tuple[Rule, Rule]:
    """Let the sender fail at once instead of waiting: RST for TCP, ICMP for the rest."""
    icmp = {"type": _REJECT_ICMP, "icmp_code": _ICMP_ADMINISTRATIVELY_PROHIBITED}
    reset = {"type": _REJECT_RESET, "icmp_code": 0}
    return (*TCP, [genex("reject", reset)]), ([genex("reject", icmp)],)


_Order = tuple[Any, int, dict[str, Any]]


def encode(
    table: str, chains: Iterable[Chain], sets: Sequence[AddressSet] = (), *, replace: bool = False
) -> bytes:
    """One nf_tables transaction that makes the table; only its last message asks for an ack.

    `replace` takes a table of that name away in the same transaction, so that no packet meets
    neither; with no chains it stays away.
    """
    orders: list[_Order] = [_table(table, NFT_MSG_NEWTABLE)]
    if replace:
        orders.append(_table(table, NFT_MSG_DELTABLE))
    chains = tuple(chains)
    if chains:
        orders += [_table(table, NFT_MSG_NEWTABLE)] if replace else []
        orders += [order for one in sets for order in _set(table, one)]
        orders += [order for chain in chains for order in _chain(table, chain)]
    messages = [_control(_BATCH_BEGIN)]
    for number, (kind, code, attributes) in enumerate(orders, start=1):
        message = kind()
        flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND
        message["header"]["flags"] = flags | (NLM_F_ACK if number == len(orders) else 0)
        message["header"]["type"] = (NFNL_SUBSYS_NFTABLES << 8) | code
        message["nfgen_family"] = socket.AF_INET
        message["attrs"] = [[name, value] for name, value in attributes.items()]
        messages.append(message)
    messages.append(_control(_BATCH_END))
    for sequence, message in enumerate(messages):
        message["header"]["sequence_number"] = sequence
        message.encode()
    return b"".join(bytes(message.data) for message in messages)


def _table(name: str, code: int) -> _Order:
    return nft_table_msg, code, {"NFTA_TABLE_NAME": name}


def _set(table: str, made: AddressSet) -> Iterator[_Order]:
    attributes = {
        "NFTA_SET_TABLE": table,
        "NFTA_SET_NAME": made.name,
        "NFTA_SET_KEY_TYPE": _IPV4_ADDRESS,
        "NFTA_SET_KEY_LEN": 4,
        "NFTA_SET_ID": 1,
    }
    yield nft_set_msg, NFT_MSG_NEWSET, attributes
    for start in range(0, len(made.addresses), _MOST_ELEMENTS):
        elements = [
            {
                "attrs": [
                    [
                        "NFTA_SET_ELEM_KEY",
                        {"attrs": [["NFTA_DATA_VALUE", socket.inet_aton(address)]]},
                    ]
                ]
            }
            for address in made.addresses[start : start + _MOST_ELEMENTS]
        ]
        attributes = {
            "NFTA_SET_ELEM_LIST_TABLE": table,
            "NFTA_SET_ELEM_LIST_SET": made.name,
            "NFTA_SET_ELEM_LIST_ELEMENTS": elements,
        }
        yield nft_set_elem_list_msg, NFT_MSG_NEWSETELEM, attributes


def _chain(table: str, chain: Chain) -> Iterator[_Order]:
    hook = [["NFTA_HOOK_HOOKNUM", _HOOKS[chain.hook]], ["NFTA_HOOK_PRIORITY", chain.priority]]
    attributes = {
        "NFTA_CHAIN_TABLE": table,
        "NFTA_CHAIN_NAME": chain.name,
        "NFTA_CHAIN_HOOK": {"attrs": hook},
        "NFTA_CHAIN_TYPE": chain.type,
        "NFTA_CHAIN_POLICY": ACCEPT if chain.accept else DROP,
    }
    yield nft_chain_msg, NFT_MSG_NEWCHAIN, attributes
    for rule in chain.rules:
        expressions = [expression for part in rule for expression in part]
        attributes = {
            "NFTA_RULE_TABLE": table,
            "NFTA_RULE_CHAIN": chain.name,
            "NFTA_RULE_EXPRESSIONS": expressions,
        }
        yield nft_rule_msg, NFT_MSG_NEWRULE, attributes


def _control(kind: int) -> Any:
    message = nfgen_msg()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST
    return message


def install(batch: bytes) -> None:
    """Put a transaction in force in the calling thread's network namespace, all of it or nothing.

    Raises EnvironmentFault with the kernel's reason.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as link:
        link.settimeout(_ANSWER_SECONDS)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, max(len(batch) * 2, 1 << 18))
        link.send(batch)
        answer = link.recv(65536)
    (error,) = struct.unpack_from("=i", answer, _NLMSG_HEADER)
    if error:
        raise EnvironmentFault(
            f"the kernel refused the sandbox's packet filter rules ({os.strerror(-error)});"
            " it needs nf_tables with NAT (nft_redir) and nft_reject"
        )
