"""The last filter: it sends the request on.

In: HttpSite.    Out: Router.
Before: ir/manners.py       After: filters/__init__.py
"""

from __future__ import annotations

from lateen.envoy.filters.kind import HttpFilter, HttpSite
from lateen.envoy.pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router


def _on_listener(site: HttpSite) -> Router:
    return Router(suppress_envoy_headers=not site.manners.debug_headers)


ROUTER = HttpFilter(name="envoy.filters.http.router", on_listener=_on_listener)
