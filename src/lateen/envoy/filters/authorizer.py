"""Ask an external authorizer about what a CUSTOM policy matched.

In: HttpSite.                     Out: ExtAuthz.
Before: envoy/authorizers.py      After: filters/__init__.py
"""

from __future__ import annotations

from google.protobuf.message import Message

from lateen.envoy.authorizers import http_authorizer
from lateen.envoy.filters.kind import HttpFilter, HttpSite


def _on_listener(site: HttpSite) -> Message | None:
    custom = site.authorization.custom
    return http_authorizer(custom.authorizer) if custom else None


AUTHORIZER = HttpFilter(name="envoy.filters.http.ext_authz", on_listener=_on_listener)
