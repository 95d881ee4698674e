"""The last filter: it sends the request on.

In: -    Out: Router.
Before: -       After: filters/__init__.py
"""

from __future__ import annotations

from lateen.envoy.filters.kind import HttpFilter
from lateen.envoy.pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router

ROUTER = HttpFilter(name="envoy.filters.http.router", on_listener=lambda _site: Router())
