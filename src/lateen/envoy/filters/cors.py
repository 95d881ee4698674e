"""Which origins' scripts may call: the filter stands wherever requests are routed.

In: Route.cors.               Out: CorsPolicy.
Before: ir/routes.py          After: filters/__init__.py
"""

from __future__ import annotations

from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue

from lateen.envoy.filters.fault import share
from lateen.envoy.filters.kind import HttpFilter, HttpSite, Side
from lateen.envoy.matchers import text_matcher
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import RuntimeFractionalPercent
from lateen.envoy.pb.envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors, CorsPolicy
from lateen.ir.match import Present
from lateen.ir.routes import Route


def _on_listener(site: HttpSite) -> Message | None:
    return None if site.side is Side.INBOUND else Cors()


def _on_route(route: Route) -> Message | None:
    cors = route.cors
    if cors is None:
        return None
    return CorsPolicy(
        allow_origin_string_match=[
            text_matcher(each) for each in cors.origins if not isinstance(each, Present)
        ],
        allow_methods=",".join(cors.methods),
        allow_headers=",".join(cors.headers),
        expose_headers=",".join(cors.exposed),
        max_age="" if cors.max_age is None else str(cors.max_age),
        allow_credentials=None if cors.credentials is None else BoolValue(value=cors.credentials),
        filter_enabled=RuntimeFractionalPercent(default_value=share(100)),
        forward_not_matching_preflights=BoolValue(value=cors.forward_unmatched),
    )


CORS = HttpFilter(name="envoy.filters.http.cors", on_listener=_on_listener, on_route=_on_route)
