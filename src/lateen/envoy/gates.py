"""Write who may connect, where what is said is not HTTP: the network filters before the TCP proxy.

In: Authorization.                       Out: network filters.
Before: envoy/rbac.py, authorizers.py    After: listeners_in.py, gateway.py

An authorizer that is asked by HTTP cannot judge connections: what would be put to it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message

from lateen.envoy import names
from lateen.envoy.authorizers import tcp_authorizer
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import Filter
from lateen.envoy.pb.envoy.config.rbac.v3 import rbac_pb2
from lateen.envoy.pb.envoy.extensions.filters.network.rbac.v3.rbac_pb2 import RBAC
from lateen.envoy.rbac import emit_rbac, tried_as
from lateen.envoy.wire import packed
from lateen.ir.authorizers import GrpcAuthorizer
from lateen.ir.policy import Authorization, Verdict


def gates(authorization: Authorization, *, gateway_port: int = 0) -> list[Filter]:
    """Who may connect, in the order in which it is settled; `gateway_port` is 0 in a sidecar."""
    made = _gates(authorization, gateway_port)
    return [
        Filter(name=f"envoy.filters.network.{name}", typed_config=packed(gate))
        for name, gate in made
        if gate
    ]


def _gates(authorization: Authorization, gateway_port: int) -> Iterator[tuple[str, Message | None]]:
    custom = authorization.custom
    if custom:
        asked = _rules(authorization, Verdict.CUSTOM, gateway_port)
        if asked and isinstance(custom.authorizer, GrpcAuthorizer):
            yield "rbac.custom", _gate(None, asked, names.ASKED)
            yield "ext_authz", tcp_authorizer(custom.authorizer)
        elif asked:
            yield "rbac.custom", _gate(asked, None, "")
    yield (
        "rbac.audit",
        _gate(None, _rules(authorization, Verdict.AUDIT, gateway_port), names.AUDITED),
    )
    for verdict in (Verdict.DENY, Verdict.ALLOW):
        shadow = _rules(authorization, verdict, gateway_port, dry_run=True)
        rules = _rules(authorization, verdict, gateway_port)
        yield f"rbac.{verdict}", _gate(rules, shadow, tried_as(verdict))


def _rules(
    authorization: Authorization, verdict: Verdict, gateway_port: int, *, dry_run: bool = False
) -> rbac_pb2.RBAC | None:
    return emit_rbac(authorization, verdict, http=False, gateway_port=gateway_port, dry_run=dry_run)


def _gate(rules: rbac_pb2.RBAC | None, shadow: rbac_pb2.RBAC | None, prefix: str) -> RBAC | None:
    if rules is None and shadow is None:
        return None
    return RBAC(
        rules=rules,
        stat_prefix="tcp.",
        shadow_rules=shadow,
        shadow_rules_stat_prefix=prefix if shadow else "",
    )
