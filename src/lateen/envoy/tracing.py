"""Write how requests are traced: where spans go, what they say, whose trace they go on with.

In: Watch.                         Out: HttpConnectionManager.Tracing, changes of headers.
Before: ir/telemetry.py, watch.py  After: http.py, filters/b3.py

Envoy's OpenTelemetry tracer knows W3C's `traceparent` alone. So a B3 trace that comes is written as one
before the tracer looks, and the trace that goes on is told in B3, too (filters/b3.py). Between proxies the
first one's decision holds; Envoy by itself would have each draw lots again. A sidecar's inbound side reads
no B3: the proxy that calls it has told it in traceparent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from lateen.envoy import names
from lateen.envoy.pb.envoy.config.common.mutation_rules.v3.mutation_rules_pb2 import HeaderMutation
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from lateen.envoy.pb.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from lateen.envoy.pb.envoy.config.core.v3.grpc_service_pb2 import GrpcService
from lateen.envoy.pb.envoy.config.core.v3.http_service_pb2 import HttpService
from lateen.envoy.pb.envoy.config.core.v3.http_uri_pb2 import HttpUri
from lateen.envoy.pb.envoy.config.trace.v3.http_tracer_pb2 import Tracing as Provider
from lateen.envoy.pb.envoy.config.trace.v3.opentelemetry_pb2 import OpenTelemetryConfig
from lateen.envoy.pb.envoy.config.trace.v3.zipkin_pb2 import ZipkinConfig
from lateen.envoy.pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as pb,
)
from lateen.envoy.pb.envoy.extensions.http.early_header_mutation.header_mutation.v3 import (
    header_mutation_pb2 as early_pb,
)
from lateen.envoy.pb.envoy.extensions.tracers.opentelemetry.resource_detectors.v3.static_config_resource_detector_pb2 import (
    StaticConfigResourceDetectorConfig,
)
from lateen.envoy.pb.envoy.type.tracing.v3.custom_tag_pb2 import CustomTag
from lateen.envoy.pb.envoy.type.v3.percent_pb2 import Percent
from lateen.envoy.watch import Watch
from lateen.envoy.wire import FALSE, duration, packed, u32
from lateen.ir.plan import Proxy
from lateen.ir.telemetry import (
    Formatted,
    Observer,
    OfEnvironment,
    OfHeader,
    OtlpCollector,
    Same,
    TagSource,
    Tracing,
    ZipkinCollector,
)

_Tracing = pb.HttpConnectionManager.Tracing
_ALL = Percent(value=100)
_NONE = Percent(value=0)
_MESH = "cluster.local"
# What a resource says whose traces the observer may thin out (stages/tracing.py).
_AS_FITS = TypedExtensionConfig(
    name="envoy.tracers.opentelemetry.resource_detectors.static_config",
    typed_config=packed(
        StaticConfigResourceDetectorConfig(attributes={names.SAMPLING: names.AS_FITS})
    ),
)


def tracing_of(watch: Watch) -> pb.HttpConnectionManager.Tracing | None:
    """How the requests of a place are traced; None if nobody looks."""
    wanted = watch.reports.tracing
    if wanted is None:
        return None
    own = _own_tags(watch.proxy) if wanted.own_tags else {}
    tags = [*_tags(own), *(_tag(name, source) for name, source in wanted.tags)]
    return _Tracing(
        client_sampling=_ALL,
        random_sampling=_ALL if wanted.percent is None else Percent(value=wanted.percent),
        overall_sampling=_ALL if wanted.reported else _NONE,
        max_path_tag_length=u32(wanted.path_length),
        custom_tags=tags,
        provider=_provider(wanted, watch),
        no_context_propagation=not wanted.handed_on,
    )


def service_of(proxy: Proxy) -> str:
    """What spans of a proxy are said to be of: `APP.NAMESPACE`, as in Istio."""
    return f"{proxy.app or proxy.workload or 'istio-proxy'}.{proxy.namespace}"


def _own_tags(proxy: Proxy) -> dict[str, str]:
    return {
        "istio.canonical_service": proxy.app or proxy.workload or "unknown",
        "istio.canonical_revision": proxy.version or "latest",
        "istio.mesh_id": _MESH,
        "istio.namespace": proxy.namespace,
    }


def _tags(texts: dict[str, str]) -> list[CustomTag]:
    return [CustomTag(tag=k, literal=CustomTag.Literal(value=v)) for k, v in texts.items()]


def _tag(name: str, source: TagSource) -> CustomTag:
    match source:
        case Same(text):
            return CustomTag(tag=name, literal=CustomTag.Literal(value=text))
        case OfEnvironment():
            said = CustomTag.Environment(name=source.name, default_value=source.otherwise)
            return CustomTag(tag=name, environment=said)
        case OfHeader():
            header = CustomTag.Header(name=source.name, default_value=source.otherwise)
            return CustomTag(tag=name, request_header=header)
        case Formatted(format):
            return CustomTag(tag=name, value=format)
    assert_never(source)


def _provider(tracing: Tracing, watch: Watch) -> Provider.Http:
    to, service = tracing.collector, service_of(watch.proxy)
    match to:
        case Observer():
            made = OpenTelemetryConfig(service_name=service, grpc_service=_grpc(names.OTLP))
        case OtlpCollector() if to.path:
            made = OpenTelemetryConfig(service_name=service, http_service=_http(to))
        case OtlpCollector():
            made = OpenTelemetryConfig(service_name=service, grpc_service=_called(to))
        case ZipkinCollector():
            return Provider.Http(name="envoy.tracers.zipkin", typed_config=packed(_zipkin(to)))
        case _:
            assert_never(to)
    if watch.traced_as_fits:
        made.resource_detectors.append(_AS_FITS)
    return Provider.Http(name="envoy.tracers.opentelemetry", typed_config=packed(made))


def _grpc(cluster: str) -> GrpcService:
    return GrpcService(envoy_grpc=GrpcService.EnvoyGrpc(cluster_name=cluster))


def _called(to: OtlpCollector) -> GrpcService:
    made = _grpc(names.outbound_cluster(to.backend))
    made.timeout.CopyFrom(duration(to.timeout))
    for name, value in to.headers:
        made.initial_metadata.add(key=name, value=value)
    return made


def _http(to: OtlpCollector) -> HttpService:
    backend = to.backend
    uri = HttpUri(
        uri=f"http://{backend.host}:{backend.port}{to.path}",
        cluster=names.outbound_cluster(backend),
        timeout=duration(to.timeout),
    )
    added = [HeaderValueOption(header=HeaderValue(key=k, value=v)) for k, v in to.headers]
    return HttpService(http_uri=uri, request_headers_to_add=added)


def _zipkin(to: ZipkinCollector) -> ZipkinConfig:
    return ZipkinConfig(
        collector_cluster=names.outbound_cluster(to.backend),
        collector_endpoint=to.path,
        collector_endpoint_version=ZipkinConfig.HTTP_JSON,
        collector_hostname=to.backend.host,
        trace_id_128bit=to.wide_ids,
        shared_span_context=FALSE,
        trace_context_option=ZipkinConfig.USE_B3_WITH_W3C_PROPAGATION,
    )


# With this header Envoy traces whatever the share. A sidecar sets it for requests that come with a trace: whether
# that one is wanted the trace says itself, and the tracer goes by it. A gateway decides by itself about what comes from outside.
CLIENTS = "x-client-trace-id"
# Headers that live for one moment: what each way of writing B3 would be as a traceparent, unwanted and wanted. Envoy's
# expressions cannot join texts, so the texts are joined first, and the one that is right is chosen, by one expression:
# an expression costs a request more than all these texts.
_FORMS = "x-lateen-b3-"
_WAYS = (
    "00-%REQ(x-b3-traceid)%-%REQ(x-b3-spanid)%-",
    "00-0000000000000000%REQ(x-b3-traceid)%-%REQ(x-b3-spanid)%-",
    "00-%REQ(b3):49%-",
    "00-0000000000000000%REQ(b3):33%-",
)
_FLAGS = ("00", "01")
_UNWANTED = (
    "('x-b3-sampled' in request.headers && request.headers['x-b3-sampled'] in ['0', 'false'])"
    " || ('b3' in request.headers"
    " && (request.headers['b3'].endsWith('-0') || request.headers['b3'].contains('-0-')))"
)
_HAS_B3 = "('b3' in request.headers || 'x-b3-traceid' in request.headers)"


def _chosen(flag: str) -> str:
    """Each way is right if it has a traceparent's length; cut to 33, a long `b3` ends in a dash too many."""
    ways = [f"request.headers['{_FORMS}{flag}{number}']" for number in range(len(_WAYS))]
    right = [f"size({way}) == 55" for way in ways]
    right[2] += f" && {ways[3]}.contains('--')"
    tried = "".join(f"{test} ? {way} : " for test, way in zip(right, ways, strict=True))
    return f"({tried}'')"


def _changes(*, edge: bool) -> Iterator[HeaderMutation]:
    set_, add = (
        HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        HeaderValueOption.ADD_IF_ABSENT,
    )
    forms = {f"{_FORMS}{flag}{n}": f"{way}{flag}" for flag in _FLAGS for n, way in enumerate(_WAYS)}
    for name, text in forms.items():
        yield _set(name, text, set_)
    unwanted, wanted = map(_chosen, _FLAGS)
    chosen = f"{_HAS_B3} ? (({_UNWANTED}) ? {unwanted} : {wanted}) : ''"
    yield _set("traceparent", f"%CEL({chosen})%", add)
    if not edge:
        yield _set(CLIENTS, "%REQ(traceparent)%", add)
    for name in forms:
        yield HeaderMutation(remove=name)


def reads_traces(*, edge: bool) -> TypedExtensionConfig:
    """Before anything looks at a request: the trace it goes on with, in the one form Envoy reads."""
    return TypedExtensionConfig(
        name="envoy.http.early_header_mutation.header_mutation",
        typed_config=packed(early_pb.HeaderMutation(mutations=_changes(edge=edge))),
    )


def _set(
    name: str, format: str, way: HeaderValueOption.HeaderAppendAction.ValueType
) -> HeaderMutation:
    header = HeaderValue(key=name, value=format)
    return HeaderMutation(append=HeaderValueOption(header=header, append_action=way))
