"""The packet filter rules of the sandbox: who is led where, and what is not carried.

In: addresses.    Out: Chains for the root namespace and for each sort of pod; `encode_pod`.
Before: node/nft.py        After: node/network.py

Redirection repeats Istio's (tools/istio-iptables), with the proxy known by its mark instead of its uid.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache

from lateen.api.interception import EVERYTHING, Interception
from lateen.node import addresses as at
from lateen.node.nft import (
    ACCEPT,
    ANSWER,
    DESTINATION,
    DROP,
    ICMP,
    KNOWN,
    NOT_EQUAL,
    REDIRECTED,
    SOURCE,
    TCP,
    UDP,
    Chain,
    Rule,
    address_in,
    encode,
    end,
    input_from,
    marked,
    on_port,
    output_to,
    redirect_to,
    refusals,
)

TABLE = "lateen"
_NAT_PRIORITY = -100
_PLACEHOLDER = "198.18.255.254"
_BY_PROXY = marked(at.PROXY_MARK)
_BY_PROBE = marked(at.PROBE_MARK)
_BY_SPARED = marked(at.SPARED_MARK)


class Sort(Enum):
    """How a pod's traffic reaches the mesh."""

    INJECTED = "its Envoy takes all TCP"
    GATEWAY = "an Envoy that listens on its own ports"
    PLAIN = "no Envoy; the agent's service proxy stands in for kube-proxy"


def root_chains() -> tuple[Chain, ...]:
    """The root namespace: TCP to outside and to the API goes to the border relay, DNS is answered.

    What comes here for a service's address has no such port; the relay resets it, so that the
    caller learns at once.
    """
    outside = (
        address_in(DESTINATION, *at.POD_NETWORK, op=NOT_EQUAL),
        address_in(DESTINATION, "224.0.0.0", 4, op=NOT_EQUAL),
    )
    bridge = input_from(at.BRIDGE)
    own = address_in(DESTINATION, at.GATEWAY)
    redirect = (*bridge, *TCP, *sum(outside, ()), *redirect_to(at.RELAY_PORT))
    doors = tuple(
        (*bridge, *own, *TCP, *on_port(port), *redirect_to(at.RELAY_PORT))
        for port in (at.API_PORT, *at.OTLP_PORTS)
    )
    relayed = (*bridge, *TCP, *on_port(at.RELAY_PORT), *REDIRECTED)
    incoming: tuple[Rule, ...] = (
        (*input_from("lo"), *end(ACCEPT)),
        (*KNOWN, *end(ACCEPT)),
        (*bridge, *own, *UDP, *on_port(at.DNS_PORT), *end(ACCEPT)),
        (*bridge, *own, *TCP, *on_port(at.DNS_PORT), *end(ACCEPT)),
        (*relayed, *end(ACCEPT)),
        *refusals(),
    )
    # Frames between two pods stay on the bridge; br_netfilter, where loaded, shows them here.
    across = (*bridge, *output_to(at.BRIDGE), *end(ACCEPT))
    return (
        Chain(
            name="prerouting",
            hook="prerouting",
            type="nat",
            rules=(*doors, redirect),
            priority=_NAT_PRIORITY,
        ),
        Chain(name="input", hook="input", type="filter", rules=incoming, accept=False),
        Chain(name="forward", hook="forward", type="filter", rules=(across,), accept=False),
    )


def pod_chains(
    address: str, sort: Sort, interception: Interception = EVERYTHING
) -> tuple[Chain, ...]:
    """One pod's namespace: redirection for its sort, and a wall around what is not carried."""
    chains: tuple[Chain, ...] = (_pod_output(address), _pod_input())
    match sort:
        case Sort.INJECTED:
            chains += (_injected_output(address, interception), _injected_prerouting(interception))
        case Sort.PLAIN:
            chains += (_plain_output(),)
        case Sort.GATEWAY:
            pass
    return chains


def _pod_output(address: str) -> Chain:
    rules: tuple[Rule, ...] = (
        (*output_to("lo"), *end(ACCEPT)),
        (*address_in(SOURCE, address, op=NOT_EQUAL), *end(DROP)),
        (*address_in(DESTINATION, at.GATEWAY), *UDP, *on_port(at.DNS_PORT), *end(ACCEPT)),
        (*address_in(DESTINATION, at.GATEWAY), *TCP, *on_port(at.DNS_PORT), *end(ACCEPT)),
        *(
            (*address_in(DESTINATION, at.GATEWAY), *TCP, *on_port(port), *end(ACCEPT))
            for port in (at.API_PORT, *at.OTLP_PORTS)
        ),
        # What the node itself asked for, for a client of the host.
        (*address_in(DESTINATION, at.GATEWAY), *TCP, *ANSWER, *end(ACCEPT)),
        *((*address_in(DESTINATION, at.GATEWAY), *rule) for rule in refusals()),
        (*TCP, *end(ACCEPT)),
        *refusals(),
    )
    return Chain(name="output", hook="output", type="filter", rules=rules, accept=False)


def _pod_input() -> Chain:
    dns = (*address_in(SOURCE, at.GATEWAY), *UDP, *on_port(at.DNS_PORT, source=True))
    rules: tuple[Rule, ...] = (
        (*input_from("lo"), *end(ACCEPT)),
        (*TCP, *end(ACCEPT)),
        (*dns, *end(ACCEPT)),
        (*ICMP, *KNOWN, *end(ACCEPT)),
    )
    return Chain(name="input", hook="input", type="filter", rules=rules, accept=False)


def _injected_output(address: str, interception: Interception) -> Chain:
    rules: tuple[Rule, ...] = (
        # Envoy dialling its own app.
        (*address_in(SOURCE, at.PROXY_SOURCE), *output_to("lo"), *end(ACCEPT)),
        # Envoy dialling its own pod by address, as any other endpoint: in by the front door.
        (*_BY_PROXY, *TCP, *address_in(DESTINATION, address), *redirect_to(at.INBOUND_PORT)),
        (*_BY_PROXY, *end(ACCEPT)),
        (*_BY_PROBE, *end(ACCEPT)),
        (*_BY_SPARED, *end(ACCEPT)),
        # An app dialling itself.
        (*output_to("lo"), *end(ACCEPT)),
        (*address_in(DESTINATION, "127.0.0.0", 8), *end(ACCEPT)),
        *(
            (*address_in(DESTINATION, at.GATEWAY), *TCP, *on_port(port), *end(ACCEPT))
            for port in (at.DNS_PORT, *at.OTLP_PORTS)
        ),
        *(rule for which in _spared(interception) for rule in _past(which)),
        (*TCP, *redirect_to(at.OUTBOUND_PORT)),
    )
    return Chain(
        name="redirect-output", hook="output", type="nat", rules=rules, priority=_NAT_PRIORITY
    )


def _spared(interception: Interception) -> Iterator[Rule]:
    """What of an app's calls goes past its Envoy, as the beginning of a rule."""
    for port in interception.outbound:
        yield (*TCP, *on_port(port))
    for network in interception.networks:
        address, _, length = network.partition("/")
        yield (*address_in(DESTINATION, address, int(length)), *TCP)


def _past(which: Rule) -> Iterator[Rule]:
    """Services' addresses are the agent's service proxy's to know; all else is dialled as it is."""
    for network in (at.SERVICE_NETWORK, at.AUTO_NETWORK):
        yield (*which, *address_in(DESTINATION, *network), *redirect_to(at.SPARED_PORT))
    yield (*which, *end(ACCEPT))


def _injected_prerouting(interception: Interception) -> Chain:
    left_alone = (*at.NOT_REDIRECTED_PORTS, *interception.inbound)
    taken = interception.only_inbound
    rules: tuple[Rule, ...] = (
        *((*TCP, *on_port(port), *end(ACCEPT)) for port in left_alone),
        *((*TCP, *on_port(port), *redirect_to(at.INBOUND_PORT)) for port in taken or ()),
        *(((*TCP, *redirect_to(at.INBOUND_PORT)),) if taken is None else ()),
    )
    return Chain(
        name="redirect-input", hook="prerouting", type="nat", rules=rules, priority=_NAT_PRIORITY
    )


def _plain_output() -> Chain:
    rules: tuple[Rule, ...] = (
        (*TCP, *address_in(DESTINATION, *at.SERVICE_NETWORK), *redirect_to(at.OUTBOUND_PORT)),
        (*TCP, *address_in(DESTINATION, *at.AUTO_NETWORK), *redirect_to(at.OUTBOUND_PORT)),
    )
    return Chain(
        name="redirect-output", hook="output", type="nat", rules=rules, priority=_NAT_PRIORITY
    )


@lru_cache(maxsize=64)
def _pod_template(sort: Sort, interception: Interception) -> bytes:
    return encode(TABLE, pod_chains(_PLACEHOLDER, sort, interception))


def encode_pod(address: str, sort: Sort, interception: Interception = EVERYTHING) -> bytes:
    """`encode(pod_chains(…))`, some fifty times faster: pods of a sort differ by address alone."""
    return _pod_template(sort, interception).replace(
        socket.inet_aton(_PLACEHOLDER), socket.inet_aton(address)
    )
