"""Write how an external authorizer is asked, for HTTP and for raw connections.

In: Authorizer.                          Out: ExtAuthz of either kind.
Before: ir/authorizers.py, matchers.py   After: filters/authorizer.py, gates.py

Asked is only about what a CUSTOM policy matched: the RBAC filter before leaves that policy's name.
Source: Istio pilot/pkg/security/authz/builder/extauthz.go.
"""

from __future__ import annotations

from lateen.envoy import names
from lateen.envoy.matchers import text_matcher
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import HeaderValue
from lateen.envoy.pb.envoy.config.core.v3.config_source_pb2 import V3
from lateen.envoy.pb.envoy.config.core.v3.grpc_service_pb2 import GrpcService
from lateen.envoy.pb.envoy.config.core.v3.http_uri_pb2 import HttpUri
from lateen.envoy.pb.envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2 as http_pb
from lateen.envoy.pb.envoy.extensions.filters.network.ext_authz.v3 import (
    ext_authz_pb2 as network_pb,
)
from lateen.envoy.pb.envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from lateen.envoy.pb.envoy.type.matcher.v3.string_pb2 import (
    ListStringMatcher,
    StringMatcher,
)
from lateen.envoy.pb.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from lateen.envoy.pb.envoy.type.v3.http_status_pb2 import HttpStatus, StatusCode
from lateen.envoy.wire import duration
from lateen.ir.authorizers import (
    Asking,
    Authorizer,
    Body,
    GrpcAuthorizer,
    HttpAuthorizer,
    Names,
)
from lateen.ir.match import Present, Regex

_NAMES = {int(number): name for name, number in StatusCode.items()}


def http_authorizer(authorizer: Authorizer) -> http_pb.ExtAuthz:
    """The filter that asks about requests."""
    asking = authorizer.asking
    made = http_pb.ExtAuthz(
        transport_api_version=V3,
        failure_mode_allow=asking.fail_open,
        with_request_body=_body(asking.body),
        clear_route_cache=asking.reroute,
        status_on_error=_status(asking.status_on_error),
        filter_enabled_metadata=_matched(names.HTTP_RBAC),
    )
    match authorizer:
        case HttpAuthorizer():
            made.http_service.CopyFrom(_service(authorizer))
            if authorizer.shown:
                made.allowed_headers.CopyFrom(_named(authorizer.shown))
        case GrpcAuthorizer():
            made.grpc_service.CopyFrom(_grpc(asking))
    return made


def tcp_authorizer(authorizer: GrpcAuthorizer) -> network_pb.ExtAuthz:
    """The filter that asks about connections."""
    asking = authorizer.asking
    return network_pb.ExtAuthz(
        stat_prefix="tcp.",
        transport_api_version=V3,
        failure_mode_allow=asking.fail_open,
        grpc_service=_grpc(asking),
        filter_enabled_metadata=_matched(names.TCP_RBAC),
    )


def _status(number: int) -> HttpStatus:
    return HttpStatus(code=StatusCode.Value(_NAMES[number]))


def _matched(filter: str) -> MetadataMatcher:
    key = f"{names.ASKED}shadow_effective_policy_id"
    return MetadataMatcher(
        filter=filter,
        path=[MetadataMatcher.PathSegment(key=key)],
        value=ValueMatcher(string_match=StringMatcher(prefix="ns[")),
    )


def _body(body: Body | None) -> http_pb.BufferSettings | None:
    if body is None:
        return None
    return http_pb.BufferSettings(
        max_request_bytes=body.most,
        allow_partial_message=body.partial,
        pack_as_bytes=body.as_bytes,
    )


def _grpc(asking: Asking) -> GrpcService:
    return GrpcService(
        envoy_grpc=GrpcService.EnvoyGrpc(
            cluster_name=names.outbound_cluster(asking.backend), authority=asking.backend.host
        ),
        timeout=duration(asking.timeout),
    )


def _service(authorizer: HttpAuthorizer) -> http_pb.HttpService:
    backend = authorizer.asking.backend
    made = http_pb.HttpService(
        path_prefix=authorizer.prefix,
        server_uri=HttpUri(
            uri=f"http://{backend.host}",
            cluster=names.outbound_cluster(backend),
            timeout=duration(authorizer.asking.timeout),
        ),
    )
    if authorizer.added:
        made.authorization_request.headers_to_add.extend(
            HeaderValue(key=name, value=value) for name, value in authorizer.added
        )
    answer = made.authorization_response
    for listed, told in (
        (authorizer.upstream, answer.allowed_upstream_headers),
        (authorizer.refused, answer.allowed_client_headers),
        (authorizer.allowed, answer.allowed_client_headers_on_success),
    ):
        if listed:
            told.CopyFrom(_named(listed))
    return made


def _named(listed: Names) -> ListStringMatcher:
    patterns = []
    for each in listed:
        matcher = text_matcher(Regex(".*") if isinstance(each, Present) else each)
        if not matcher.HasField("safe_regex"):
            matcher.ignore_case = True
        patterns.append(matcher)
    return ListStringMatcher(patterns=patterns)
