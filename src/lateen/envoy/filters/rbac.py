"""Who may ask: a filter for each kind of policy, in the order in which they are looked at.

In: HttpSite.                 Out: HTTP RBAC filters.
Before: envoy/rbac.py         After: filters/__init__.py

What a CUSTOM policy matches is only noted here, for the filter that asks the authorizer; what an
AUDIT policy matches is noted for the access log.
"""

from __future__ import annotations

from google.protobuf.message import Message

from lateen.envoy import names
from lateen.envoy.filters.kind import HttpFilter, HttpSite
from lateen.envoy.pb.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from lateen.envoy.rbac import emit_rbac, tried_as
from lateen.ir.policy import Verdict


def _rules(site: HttpSite, verdict: Verdict) -> Message | None:
    rules, shadow = (
        emit_rbac(
            site.authorization, verdict, http=True, gateway_port=site.gateway_port, dry_run=dry_run
        )
        for dry_run in (False, True)
    )
    if rules is None and shadow is None:
        return None
    prefix = tried_as(verdict) if shadow else ""
    return RBAC(rules=rules, shadow_rules=shadow, shadow_rules_stat_prefix=prefix)


def _noted(site: HttpSite, verdict: Verdict, prefix: str) -> Message | None:
    shadow = emit_rbac(site.authorization, verdict, http=True, gateway_port=site.gateway_port)
    return RBAC(shadow_rules=shadow, shadow_rules_stat_prefix=prefix) if shadow else None


CUSTOM = HttpFilter(
    name="envoy.filters.http.rbac.custom",
    on_listener=lambda site: _noted(site, Verdict.CUSTOM, names.ASKED),
)
AUDIT = HttpFilter(
    name="envoy.filters.http.rbac.audit",
    on_listener=lambda site: _noted(site, Verdict.AUDIT, names.AUDITED),
)
DENY = HttpFilter(
    name="envoy.filters.http.rbac.deny", on_listener=lambda site: _rules(site, Verdict.DENY)
)
ALLOW = HttpFilter(
    name="envoy.filters.http.rbac.allow", on_listener=lambda site: _rules(site, Verdict.ALLOW)
)
