"""Evaluate Envoy's RBAC, and the filters that ask an authorizer about what it noted.

In: filters, RBAC, Request.         Out: the refusal, or None.
Before: envoy/pb, envoy_match.py    After: walk_envoy.py
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from google.protobuf.any_pb2 import Any

from lateen.envoy.names import ASKED
from lateen.envoy.pb.envoy.config.core.v3.address_pb2 import CidrRange
from lateen.envoy.pb.envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Principal
from lateen.envoy.pb.envoy.extensions.filters.http.ext_authz.v3 import (
    ext_authz_pb2 as http_authz_pb2,
)
from lateen.envoy.pb.envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from lateen.envoy.pb.envoy.extensions.filters.network.ext_authz.v3 import (
    ext_authz_pb2 as tcp_authz_pb2,
)
from lateen.envoy.pb.envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as tcp_rbac_pb2
from lateen.explain.envoy_match import claim_holds, header_holds, not_modelled, text_holds
from lateen.explain.request import Denied, Request
from lateen.explain.steps import Part, Step, Walk


def passed(configs: Iterable[Any], request: Request) -> Walk[Denied | None]:
    """What the filters that judge a request say, in their order; shadow rules only note."""
    asked: str | None = None
    for config in configs:
        if config.Is(http_authz_pb2.ExtAuthz.DESCRIPTOR) or config.Is(
            tcp_authz_pb2.ExtAuthz.DESCRIPTOR
        ):
            if asked and not request.authorizer:
                return Denied(rule=asked)
            continue
        gate = _gate(config)
        if gate is None:
            continue
        if gate.shadow_rules_stat_prefix == ASKED:
            asked = yield from _holding(gate.shadow_rules, request, "CUSTOM")
        if gate.HasField("rules") and (denied := (yield from _judged(gate.rules, request))):
            return denied
    return None


def _gate(config: Any) -> http_rbac_pb2.RBAC | tcp_rbac_pb2.RBAC | None:
    if config.Is(http_rbac_pb2.RBAC.DESCRIPTOR):
        return http_rbac_pb2.RBAC.FromString(config.value)
    if config.Is(tcp_rbac_pb2.RBAC.DESCRIPTOR):
        return tcp_rbac_pb2.RBAC.FromString(config.value)
    return None


def _judged(rules: RBAC, request: Request) -> Walk[Denied | None]:
    """The refusal of a request by one RBAC, or None."""
    refuses = rules.action == RBAC.DENY
    name = yield from _holding(rules, request, "DENY" if refuses else "ALLOW")
    if refuses:
        return Denied(rule=name) if name else None
    return None if name else Denied(rule="none")


def _holding(rules: RBAC, request: Request, verdict: str) -> Walk[str | None]:
    """The first of the rules that holds, by name."""
    for name, policy in sorted(rules.policies.items()):
        asked = any(_permission_holds(each, request) for each in policy.permissions)
        held = asked and any(_principal_holds(each, request) for each in policy.principals)
        because = (
            "" if held else "who calls does not fit" if asked else "what is asked does not fit"
        )
        yield Step(part=Part.POLICY, name=f"{verdict} {name}", held=held, because=because)
        if held:
            return name
    return None


def _within(block: CidrRange, address: str) -> bool:
    network = ip_network(f"{block.address_prefix}/{block.prefix_len.value}")
    return bool(address) and ip_address(address) in network


def _principal_holds(principal: Principal, request: Request) -> bool:
    which = principal.WhichOneof("identifier")
    match which:
        case "any":
            return True
        case "and_ids":
            return all(_principal_holds(each, request) for each in principal.and_ids.ids)
        case "or_ids":
            return any(_principal_holds(each, request) for each in principal.or_ids.ids)
        case "not_id":
            return not _principal_holds(principal.not_id, request)
        case "authenticated":
            wanted = principal.authenticated.principal_name
            return bool(request.peer) and text_holds(wanted, request.peer)
        case "header":
            return header_holds(principal.header, request)
        case "metadata":
            return claim_holds(principal.metadata, request)
        case "direct_remote_ip":
            return _within(principal.direct_remote_ip, request.source)
        case "remote_ip":
            return _within(principal.remote_ip, request.client or request.source)
    raise not_modelled("Principal", which)


def _permission_holds(permission: Permission, request: Request) -> bool:
    which = permission.WhichOneof("rule")
    match which:
        case "any":
            return True
        case "and_rules":
            return all(_permission_holds(each, request) for each in permission.and_rules.rules)
        case "or_rules":
            return any(_permission_holds(each, request) for each in permission.or_rules.rules)
        case "not_rule":
            return not _permission_holds(permission.not_rule, request)
        case "header":
            return header_holds(permission.header, request)
        case "url_path":
            return text_holds(permission.url_path.path, request.path.partition("?")[0])
        case "destination_port":
            return permission.destination_port == request.port
        case "destination_ip":
            return _within(permission.destination_ip, request.address)
        case "requested_server_name":
            return text_holds(permission.requested_server_name, request.sni)
    raise not_modelled("Permission", which)
