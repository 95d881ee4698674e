"""The collectors and logs of the mesh's settings, in the words of the IR.

In: ExtensionProviders, a name.      Out: Collector, LogSink, or why there is none.
Before: translate/authorizers.py     After: translate/reporting.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from lateen.api.extensionproviders import (
    ExtensionProvider,
    LogFormat,
    OpenTelemetryTracingProvider,
    ZipkinTracingProvider,
)
from lateen.api.meshconfig import MeshConfig
from lateen.ir.backends import BackendId
from lateen.ir.telemetry import (
    PATH_LENGTH,
    STDERR,
    STDOUT,
    Collector,
    FileLog,
    LogSink,
    OtlpCollector,
    OtlpLog,
    ZipkinCollector,
)
from lateen.translate.authorizers import service_named
from lateen.translate.settings import seconds
from lateen.translate.views import Sight

ENVOY = "envoy"  # Istio's name for what the mesh's settings say of access logs
_TIMEOUT = 10.0  # seconds


class Traced(Struct, frozen=True, kw_only=True):
    """A provider of traces: where spans go, and what is kept of a path."""

    collector: Collector
    path_length: int = PATH_LENGTH


def provider_named(mesh: MeshConfig, name: str) -> ExtensionProvider | None:
    """The provider of that name."""
    return next((each for each in mesh.extension_providers if each.name == name), None)


def collector_named(sight: Sight, name: str) -> Traced | str:
    """Where a provider takes spans; a text says why nowhere."""
    provider = provider_named(sight.index.world.mesh, name)
    if provider is None:
        return f"the mesh's settings have no extension provider {name!r}"
    said = provider.opentelemetry or provider.zipkin
    if said is None:
        return f"extension provider {name!r} takes no traces that lateen can send"
    backend = backend_named(sight, said.service, said.port)
    if isinstance(backend, str):
        return f"extension provider {name!r}: {backend}"
    return Traced(
        collector=_collector(backend, said), path_length=said.max_tag_length or PATH_LENGTH
    )


def _collector(
    backend: BackendId, said: OpenTelemetryTracingProvider | ZipkinTracingProvider
) -> Collector:
    if isinstance(said, ZipkinTracingProvider):
        path = said.path or "/api/v2/spans"
        return ZipkinCollector(backend=backend, path=path, wide_ids=not said.enable_64bit_trace_id)
    if http := said.http:
        headers = tuple((each.name.lower(), each.value) for each in http.headers)
        return OtlpCollector(
            backend=backend,
            path=http.path or "/v1/traces",
            timeout=seconds(http.timeout) or _TIMEOUT,
            headers=headers,
        )
    grpc = said.grpc
    headers = (
        tuple((each.name.lower(), each.value) for each in grpc.initial_metadata) if grpc else ()
    )
    timeout = seconds(grpc.timeout) if grpc else None
    return OtlpCollector(backend=backend, timeout=timeout or _TIMEOUT, headers=headers)


def backend_named(sight: Sight, service: str, port: int) -> BackendId | str:
    """The backend at a port of `HOST` or `NAMESPACE/HOST`; a text says why there is none."""
    found = service_named(sight, service)
    if found is None:
        return f"no service {service}"
    if found.port(port) is None:
        return f"{found.host} has no port {port}"
    return BackendId(host=found.host, port=port)


def sink_named(sight: Sight, name: str) -> LogSink | str:
    """Where a provider writes requests down; a text says why nowhere."""
    mesh = sight.index.world.mesh
    provider = provider_named(mesh, name)
    if provider is None and name == ENVOY:
        return mesh_log(mesh)
    if provider is None:
        return f"the mesh's settings have no extension provider {name!r}"
    if file := provider.envoy_file_access_log:
        text, fields = _format(file.log_format)
        return FileLog(path=_stream(file.path), text=text, fields=fields)
    otlp = provider.envoy_otel_als
    if otlp is None:
        return f"extension provider {name!r} takes no access logs that lateen can write"
    backend = backend_named(sight, otlp.service, otlp.port)
    if isinstance(backend, str):
        return f"extension provider {name!r}: {backend}"
    text, fields = _format(otlp.log_format)
    return OtlpLog(backend=backend, name=otlp.log_name, text=text, fields=fields)


def mesh_log(mesh: MeshConfig) -> FileLog:
    """What `accessLogFile`, `accessLogEncoding` and `accessLogFormat` say."""
    path, format = _stream(mesh.access_log_file or STDOUT), mesh.access_log_format
    if mesh.access_log_encoding != "JSON":
        return FileLog(path=path, text=format)
    return FileLog(path=path, json=True, fields=json_fields(format))


def json_fields(text: str) -> tuple[tuple[str, str], ...]:
    """The fields of `accessLogFormat` under encoding JSON; none for Istio's own."""
    try:
        made = json.loads(text) if text else {}
    except ValueError:
        return ()
    return _fields(made) if isinstance(made, dict) else ()


def _format(format: LogFormat | None) -> tuple[str, tuple[tuple[str, str], ...]]:
    return ("", ()) if format is None else (format.text, _fields(format.labels))


def _fields(labels: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in labels.items())


def _stream(path: str) -> str:
    """Of an Envoy in a pod only these two are kept."""
    return STDERR if path == STDERR else STDOUT
