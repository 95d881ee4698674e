"""The packet filter rules of the sandbox, as nf_tables expressions.

In: addresses.    Out: Chains for the root namespace and for each sort of pod; `encode`, `install`.
Before: node/addresses.py        After: node/network.py

Redirection repeats Istio's (tools/istio-iptables), with the proxy known by its mark instead of its uid.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink.nftsocket import (
    NFT_MSG_NEWCHAIN,
    NFT_MSG_NEWRULE,
    NFT_MSG_NEWTABLE,
    nft_chain_msg,
    nft_rule_msg,
    nft_table_msg,
)
from pyroute2.nftables.expressions import genex, verdict

from lateen.base.errors import EnvironmentFault
from lateen.node import addresses as at

Expression = list[Any]
Rule = tuple[Expression, ...]

_META_MARK, _META_IIFNAME, _META_OIFNAME, _META_L4PROTO = 3, 6, 7, 16
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_CT_STATE, _CT_STATUS = 0, 2
_CT_RELATED_OR_ESTABLISHED = 2 | 4
_STATUS_DST_NAT = 32
_EQUAL, _NOT_EQUAL = 0, 1
_DROP, _ACCEPT = 0, 1
_REJECT_ICMP, _REJECT_RESET = 0, 1
_ICMP_ADMINISTRATIVELY_PROHIBITED = 13
_TABLE = "lateen"
_NAT_PRIORITY = -100
_HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NETLINK_NETFILTER = 12
_NLMSG_HEADER = 16
_ANSWER_SECONDS = 10.0
_PLACEHOLDER = "198.18.255.254"


class Sort(Enum):
    """How a pod's traffic reaches the mesh."""

    INJECTED = "its Envoy takes all TCP"
    GATEWAY = "an Envoy that listens on its own ports"
    PLAIN = "no Envoy; the agent's service proxy stands in for kube-proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One base chain; rules in order, then the policy."""

    name: str
    hook: str
    type: str
    rules: tuple[Rule, ...]
    accept: bool = True


def _compare(value: bytes, op: int = _EQUAL) -> Expression:
    data = {"attrs": [("NFTA_DATA_VALUE", value)]}
    return [genex("cmp", {"sreg": 1, "op": op, "data": data})]


def _load(value: bytes) -> Expression:
    data = {"attrs": [("NFTA_DATA_VALUE", value)]}
    return [genex("immediate", {"dreg": 1, "data": data})]


def _meta(key: int) -> Expression:
    return [genex("meta", {"dreg": 1, "key": key})]


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


def _ct(key: int, bits: int) -> Rule:
    loaded = [genex("ct", {"dreg": 1, "key": key})]
    return loaded, _masked(struct.pack("=I", bits)), _compare(bytes(4), _NOT_EQUAL)


def _interface(key: int, name: str, op: int = _EQUAL) -> Rule:
    return _meta(key), _compare(name.encode().ljust(16, b"\0"), op)


def _input_from(name: str) -> Rule:
    return _interface(_META_IIFNAME, name)


def _output_to(name: str) -> Rule:
    return _interface(_META_OIFNAME, name)


def _protocol(number: int) -> Rule:
    return _meta(_META_L4PROTO), _compare(bytes([number]))


_TCP, _UDP, _ICMP = (
    _protocol(n) for n in (socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP)
)
_MARKED: Rule = (_meta(_META_MARK), _compare(struct.pack("=I", at.PROXY_MARK)))


def _port(number: int, *, source: bool = False) -> Rule:
    return _payload(_TRANSPORT_HEADER, 0 if source else 2, 2), _compare(struct.pack("!H", number))


def _source(address: str, op: int = _EQUAL) -> Rule:
    return _payload(_NETWORK_HEADER, 12, 4), _compare(socket.inet_aton(address), op)


def _to(address: str, length: int = 32, op: int = _EQUAL) -> Rule:
    mask = struct.pack("!I", 0xFFFFFFFF << (32 - length) & 0xFFFFFFFF)
    return (
        _payload(_NETWORK_HEADER, 16, 4),
        _masked(mask),
        _compare(socket.inet_aton(address), op),
    )


def _redirect(port: int) -> Rule:
    return _load(struct.pack("!H", port)), [genex("redir", {"reg_proto_min": 1})]


def _end(code: int) -> Rule:
    return (verdict(code),)


def _refuse() -> tuple[Rule, Rule]:
    """Let the sender fail at once instead of waiting: RST for TCP, ICMP for the rest."""
    icmp = {"type": _REJECT_ICMP, "icmp_code": _ICMP_ADMINISTRATIVELY_PROHIBITED}
    reset = {"type": _REJECT_RESET, "icmp_code": 0}
    return (*_TCP, [genex("reject", reset)]), ([genex("reject", icmp)],)


def root_chains() -> tuple[Chain, ...]:
    """The root namespace: TCP to outside and to the API goes to the border relay, DNS is answered.

    What comes here for a service's address has no such port; the relay resets it, so that the
    caller learns at once.
    """
    outside = (
        _to(*at.POD_NETWORK, _NOT_EQUAL),
        _to("224.0.0.0", 4, _NOT_EQUAL),
    )
    bridge = _input_from(at.BRIDGE)
    own = _to(at.GATEWAY)
    redirect = (*bridge, *_TCP, *sum(outside, ()), *_redirect(at.RELAY_PORT))
    api = (*bridge, *own, *_TCP, *_port(at.API_PORT), *_redirect(at.RELAY_PORT))
    relayed = (*bridge, *_TCP, *_port(at.RELAY_PORT), *_ct(_CT_STATUS, _STATUS_DST_NAT))
    incoming: tuple[Rule, ...] = (
        (*_input_from("lo"), *_end(_ACCEPT)),
        (*_ct(_CT_STATE, _CT_RELATED_OR_ESTABLISHED), *_end(_ACCEPT)),
        (*bridge, *own, *_UDP, *_port(at.DNS_PORT), *_end(_ACCEPT)),
        (*bridge, *own, *_TCP, *_port(at.DNS_PORT), *_end(_ACCEPT)),
        (*relayed, *_end(_ACCEPT)),
        *_refuse(),
    )
    # Frames between two pods stay on the bridge; br_netfilter, where loaded, shows them here.
    across = (*bridge, *_output_to(at.BRIDGE), *_end(_ACCEPT))
    return (
        Chain(name="prerouting", hook="prerouting", type="nat", rules=(api, redirect)),
        Chain(name="input", hook="input", type="filter", rules=incoming, accept=False),
        Chain(name="forward", hook="forward", type="filter", rules=(across,), accept=False),
    )


def pod_chains(address: str, sort: Sort) -> tuple[Chain, ...]:
    """One pod's namespace: redirection for its sort, and a wall around what is not carried."""
    chains: tuple[Chain, ...] = (_pod_output(address), _pod_input())
    match sort:
        case Sort.INJECTED:
            chains += (_injected_output(address), _injected_prerouting())
        case Sort.PLAIN:
            chains += (_plain_output(),)
        case Sort.GATEWAY:
            pass
    return chains


def _pod_output(address: str) -> Chain:
    rules: tuple[Rule, ...] = (
        (*_output_to("lo"), *_end(_ACCEPT)),
        (*_source(address, _NOT_EQUAL), *_end(_DROP)),
        (*_to(at.GATEWAY), *_UDP, *_port(at.DNS_PORT), *_end(_ACCEPT)),
        (*_to(at.GATEWAY), *_TCP, *_port(at.DNS_PORT), *_end(_ACCEPT)),
        (*_to(at.GATEWAY), *_TCP, *_port(at.API_PORT), *_end(_ACCEPT)),
        *((*_to(at.GATEWAY), *rule) for rule in _refuse()),
        (*_TCP, *_end(_ACCEPT)),
        *_refuse(),
    )
    return Chain(name="output", hook="output", type="filter", rules=rules, accept=False)


def _pod_input() -> Chain:
    dns = (*_source(at.GATEWAY), *_UDP, *_port(at.DNS_PORT, source=True))
    rules: tuple[Rule, ...] = (
        (*_input_from("lo"), *_end(_ACCEPT)),
        (*_TCP, *_end(_ACCEPT)),
        (*dns, *_end(_ACCEPT)),
        (*_ICMP, *_ct(_CT_STATE, _CT_RELATED_OR_ESTABLISHED), *_end(_ACCEPT)),
    )
    return Chain(name="input", hook="input", type="filter", rules=rules, accept=False)


def _injected_output(address: str) -> Chain:
    rules: tuple[Rule, ...] = (
        # Envoy dialling its own app.
        (*_source(at.PROXY_SOURCE), *_output_to("lo"), *_end(_ACCEPT)),
        # Envoy dialling its own pod by address, as any other endpoint: in by the front door.
        (*_MARKED, *_TCP, *_to(address), *_redirect(at.INBOUND_PORT)),
        (*_MARKED, *_end(_ACCEPT)),
        # An app dialling itself.
        (*_output_to("lo"), *_end(_ACCEPT)),
        (*_to("127.0.0.0", 8), *_end(_ACCEPT)),
        (*_to(at.GATEWAY), *_TCP, *_port(at.DNS_PORT), *_end(_ACCEPT)),
        (*_TCP, *_redirect(at.OUTBOUND_PORT)),
    )
    return Chain(name="redirect-output", hook="output", type="nat", rules=rules)


def _injected_prerouting() -> Chain:
    rules: tuple[Rule, ...] = (
        *((*_TCP, *_port(port), *_end(_ACCEPT)) for port in at.NOT_REDIRECTED_PORTS),
        (*_TCP, *_redirect(at.INBOUND_PORT)),
    )
    return Chain(name="redirect-input", hook="prerouting", type="nat", rules=rules)


def _plain_output() -> Chain:
    rules: tuple[Rule, ...] = (
        (*_TCP, *_to(*at.SERVICE_NETWORK), *_redirect(at.OUTBOUND_PORT)),
        (*_TCP, *_to(*at.AUTO_NETWORK), *_redirect(at.OUTBOUND_PORT)),
    )
    return Chain(name="redirect-output", hook="output", type="nat", rules=rules)


def encode(chains: tuple[Chain, ...]) -> bytes:
    """One nf_tables transaction that makes the table and its chains; only the last asks for an ack."""
    made: list[tuple[Any, int, dict[str, Any]]] = [
        (nft_table_msg, NFT_MSG_NEWTABLE, _named("table"))
    ]
    for chain in chains:
        made.append((nft_chain_msg, NFT_MSG_NEWCHAIN, _chain_attributes(chain)))
        for rule in chain.rules:
            expressions = [expression for part in rule for expression in part]
            attributes = _named("rule", chain.name) | {"NFTA_RULE_EXPRESSIONS": expressions}
            made.append((nft_rule_msg, NFT_MSG_NEWRULE, attributes))
    messages = [_control(_BATCH_BEGIN)]
    for number, (kind, code, attributes) in enumerate(made, start=1):
        message = kind()
        flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND
        message["header"]["flags"] = flags | (NLM_F_ACK if number == len(made) else 0)
        message["header"]["type"] = (NFNL_SUBSYS_NFTABLES << 8) | code
        message["nfgen_family"] = socket.AF_INET
        message["attrs"] = [[name, value] for name, value in attributes.items()]
        messages.append(message)
    messages.append(_control(_BATCH_END))
    for sequence, message in enumerate(messages):
        message["header"]["sequence_number"] = sequence
        message.encode()
    return b"".join(bytes(message.data) for message in messages)


def _named(what: str, chain: str = "") -> dict[str, Any]:
    names = (
        {"NFTA_TABLE_NAME": _TABLE} if what == "table" else {f"NFTA_{what.upper()}_TABLE": _TABLE}
    )
    return names | ({"NFTA_RULE_CHAIN": chain} if chain else {})


def _chain_attributes(chain: Chain) -> dict[str, Any]:
    priority = _NAT_PRIORITY if chain.type == "nat" else 0
    hook = [["NFTA_HOOK_HOOKNUM", _HOOKS[chain.hook]], ["NFTA_HOOK_PRIORITY", priority]]
    return _named("chain") | {
        "NFTA_CHAIN_NAME": chain.name,
        "NFTA_CHAIN_HOOK": {"attrs": hook},
        "NFTA_CHAIN_TYPE": chain.type,
        "NFTA_CHAIN_POLICY": _ACCEPT if chain.accept else _DROP,
    }


def _control(kind: int) -> Any:
    message = nfgen_msg()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST
    return message


@cache
def _pod_template(sort: Sort) -> bytes:
    return encode(pod_chains(_PLACEHOLDER, sort))


def encode_pod(address: str, sort: Sort) -> bytes:
    """`encode(pod_chains(…))`, some fifty times faster: pods of a sort differ by address alone."""
    return _pod_template(sort).replace(socket.inet_aton(_PLACEHOLDER), socket.inet_aton(address))


def install(batch: bytes) -> None:
    """Put the chains in force in the calling thread's network namespace, all or none.

    Raises EnvironmentFault with the kernel's reason.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as link:
        link.settimeout(_ANSWER_SECONDS)
        link.send(batch)
        answer = link.recv(65536)
    (error,) = struct.unpack_from("=i", answer, _NLMSG_HEADER)
    if error:
        raise EnvironmentFault(
            f"the kernel refused the sandbox's packet filter rules ({os.strerror(-error)});"
            " it needs nf_tables with NAT (nft_redir) and nft_reject"
        )
