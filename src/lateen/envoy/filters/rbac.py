"""Who may ask: two filters, since a DENY policy is looked at before any ALLOW policy.

In: HttpSite.                 Out: HTTP RBAC filters.
Before: envoy/rbac.py         After: filters/__init__.py
"""

from __future__ import annotations

from google.protobuf.message import Message

from lateen.envoy.filters.kind import HttpFilter, HttpSite
from lateen.envoy.pb.envoy.config.rbac.v3 import rbac_pb2 as rules_pb2
from lateen.envoy.pb.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from lateen.envoy.rbac import emit_rbac


def _rules(site: HttpSite, action: rules_pb2.RBAC.Action.ValueType) -> Message | None:
    for rules in emit_rbac(site.authorization, http=True):
        if rules.action == action:
            return RBAC(rules=rules)
    return None


DENY = HttpFilter(
    name="envoy.filters.http.rbac.deny", on_listener=lambda site: _rules(site, rules_pb2.RBAC.DENY)
)
ALLOW = HttpFilter(
    name="envoy.filters.http.rbac.allow",
    on_listener=lambda site: _rules(site, rules_pb2.RBAC.ALLOW),
)
