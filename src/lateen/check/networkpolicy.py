"""Check one NetworkPolicy, in Kubernetes' words.

In: the object.        Out: problems.    Source: Kubernetes pkg/apis/networking/validation.
Before: check/at.py    After: check/objects.py
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from lateen.api.networkpolicy import EGRESS, INGRESS, IPBlock, NetworkPolicy, PolicyPeer, PolicyPort
from lateen.base.problem import Problem
from lateen.check.at import At, one_of, port_number
from lateen.check.service import IP_PROTOCOLS, port_name_fault
from lateen.check.workload import check_label_selector

_CIDR_WORDS = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_network_policy(policy: NetworkPolicy, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, here = policy.spec, at.key("spec")
    yield from check_label_selector(spec.pod_selector, here.key("podSelector"))
    for index, incoming in enumerate(spec.ingress):
        rule = here.key("ingress").item(index)
        yield from _ports(incoming.ports, rule.key("ports"))
        yield from _peers(incoming.from_, rule.key("from"))
    for index, outgoing in enumerate(spec.egress):
        rule = here.key("egress").item(index)
        yield from _ports(outgoing.ports, rule.key("ports"))
        yield from _peers(outgoing.to, rule.key("to"))
    if len(spec.policy_types) > 2:
        words = "may not specify more than two policyTypes"
        yield here.key("policyTypes").invalid(list(spec.policy_types), words)
        return
    for index, kind in enumerate(spec.policy_types):
        yield from one_of(here.key("policyTypes").item(index), kind, (EGRESS, INGRESS))


def _ports(ports: Sequence[PolicyPort], at: At) -> Iterator[Problem]:
    for index, port in enumerate(ports):
        here = at.item(index)
        yield from one_of(here.key("protocol"), port.protocol, IP_PROTOCOLS)
        if isinstance(port.port, int):
            yield from port_number(here.key("port"), port.port)
            yield from port_number(here.key("endPort"), port.end_port)
            if port.end_port is not None and port.end_port < port.port:
                words = "must be greater than or equal to `port`"
                yield here.key("endPort").invalid(port.end_port, words)
            continue
        if port.end_port is not None:
            why = "not specified" if port.port is None else "non-numeric"
            words = f"may not be specified when `port` is {why}"
            yield here.key("endPort").invalid(port.end_port, words)
        if port.port is not None and (fault := port_name_fault(port.port)):
            yield here.key("port").invalid(port.port, fault)


def _peers(peers: Sequence[PolicyPeer], at: At) -> Iterator[Problem]:
    for index, peer in enumerate(peers):
        here = at.item(index)
        by_labels = 0
        for name, selector in (
            ("podSelector", peer.pod_selector),
            ("namespaceSelector", peer.namespace_selector),
        ):
            if selector is not None:
                by_labels += 1
                yield from check_label_selector(selector, here.key(name))
        if peer.ip_block is not None:
            yield from _block(peer.ip_block, here.key("ipBlock"))
            if by_labels:
                yield here.error("Forbidden: may not specify both ipBlock and another peer")
        elif not by_labels:
            yield here.required("must specify a peer")


def _block(block: IPBlock, at: At) -> Iterator[Problem]:
    if not block.cidr:
        yield at.key("cidr").required()
        return
    whole = _network(block.cidr)
    if whole is None:
        yield at.key("cidr").invalid(block.cidr, _CIDR_WORDS)
        return
    if whole.version == 6:
        yield at.key("cidr").warning("pods have no IPv6 here: this block matches nothing")
    for index, text in enumerate(block.except_):
        here, part = at.key("except").item(index), _network(text)
        if part is None:
            yield here.invalid(text, _CIDR_WORDS)
        elif not _strictly_within(part, whole):
            yield here.invalid(text, "must be a strict subset of `cidr`")


def _network(text: str) -> _Network | None:
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _strictly_within(part: _Network, whole: _Network) -> bool:
    if isinstance(part, ipaddress.IPv4Network) and isinstance(whole, ipaddress.IPv4Network):
        return part.subnet_of(whole) and part.prefixlen > whole.prefixlen
    if isinstance(part, ipaddress.IPv6Network) and isinstance(whole, ipaddress.IPv6Network):
        return part.subnet_of(whole) and part.prefixlen > whole.prefixlen
    return False
