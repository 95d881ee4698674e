"""The HTTP filters, in the one order in which they stand.

In: HttpSite, Route.              Out: the filters of a listener; what a route says to each.
Before: filters/*.py, ir/         After: http.py, routes.py

Order is a semantic: a tap sees all, then who may ask is settled before any trouble is made on purpose. The router is
last and always there.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.any_pb2 import Any

from lateen.envoy.filters.asked import ASKED
from lateen.envoy.filters.authorizer import AUTHORIZER
from lateen.envoy.filters.b3 import B3
from lateen.envoy.filters.cors import CORS
from lateen.envoy.filters.fault import FAULT
from lateen.envoy.filters.jwt import JWT
from lateen.envoy.filters.kind import HttpFilter, HttpSite
from lateen.envoy.filters.rbac import ALLOW, AUDIT, CUSTOM, DENY
from lateen.envoy.filters.router import ROUTER
from lateen.envoy.filters.tap import TAP
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from lateen.envoy.wire import packed
from lateen.ir.routes import Route

HTTP_FILTERS: tuple[HttpFilter, ...] = (
    TAP,
    JWT,
    CUSTOM,
    AUTHORIZER,
    AUDIT,
    DENY,
    ALLOW,
    FAULT,
    CORS,
    B3,
    ASKED,
    ROUTER,
)


def on_listener(site: HttpSite) -> list[http_connection_manager_pb2.HttpFilter]:
    """The chain of filters at this place."""
    made = ((each.name, each.on_listener(site)) for each in HTTP_FILTERS)
    return [
        http_connection_manager_pb2.HttpFilter(name=name, typed_config=packed(config))
        for name, config in made
        if config is not None
    ]


def on_route(route: Route) -> Mapping[str, Any]:
    """What this route says to each filter, by the filter's name."""
    made = ((each.name, each.on_route(route)) for each in HTTP_FILTERS)
    return {name: packed(config) for name, config in made if config is not None}
