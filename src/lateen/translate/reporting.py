"""What a proxy tells of traffic: metrics, traces and access logs, by Telemetry and the mesh's settings.

In: Telemetries, MeshConfig, a workload.    Out: ir Telemetry, problems.
Before: translate/providers.py              After: translate/plan.py

As in Istio: the root namespace's Telemetry, then the namespace's, then the one that selects the pod (of
several the oldest), each on top of the one before. Where nobody says what share of requests is traced,
all are: this is one machine. Source: Istio, pilot/pkg/model/telemetry.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.meshconfig import MeshConfig
from lateen.api.proxydefaults import TracingDefaults
from lateen.api.security import targets_of
from lateen.api.telemetry import (
    AccessLogging,
    CustomTag,
    ModeMatch,
    Telemetry,
    TelemetryMetrics,
    TelemetryTracing,
)
from lateen.base.origin import BUILT_IN, Origin
from lateen.base.problem import Problem
from lateen.ir import telemetry as ir
from lateen.translate.faults import not_told
from lateen.translate.metrics import metrics_of
from lateen.translate.providers import (
    ENVOY,
    Traced,
    backend_named,
    collector_named,
    sink_named,
)
from lateen.translate.proxyconfigs import settings_of
from lateen.translate.selecting import attached
from lateen.translate.views import Sight
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload

_BOTH, _CLIENT, _SERVER = "CLIENT_AND_SERVER", "CLIENT", "SERVER"


class Layer(Struct, frozen=True, kw_only=True):
    """A Telemetry that holds for a workload."""

    telemetry: Owned[Telemetry]

    def tracing(self, side: str) -> Iterator[tuple[TelemetryTracing, Origin]]:
        """What it says of traces on that side."""
        for index, each in enumerate(self.telemetry.typed.spec.tracing):
            if _is_for(each.match, side):
                yield each, self.telemetry.origin(f"spec.tracing[{index}]")

    def metrics(self) -> Iterator[tuple[TelemetryMetrics, Origin]]:
        """What it says of metrics; each override has a side of its own."""
        for index, each in enumerate(self.telemetry.typed.spec.metrics):
            yield each, self.telemetry.origin(f"spec.metrics[{index}]")

    def logging(self, side: str) -> Iterator[tuple[AccessLogging, Origin]]:
        """What it says of access logs on that side."""
        for index, each in enumerate(self.telemetry.typed.spec.access_logging):
            if _is_for(each.match, side):
                yield each, self.telemetry.origin(f"spec.accessLogging[{index}]")


def _is_for(match: ModeMatch | None, side: str) -> bool:
    return match is None or match.mode in ("", _BOTH, side)


def layers_for(telemetries: tuple[Owned[Telemetry], ...], workload: Workload) -> tuple[Layer, ...]:
    """Those that hold for a workload, the closest last."""
    found: list[Layer] = []
    for namespace in dict.fromkeys((ROOT_NAMESPACE, workload.namespace)):
        whole = (
            each for each in telemetries if each.namespace == namespace and not _is_narrow(each)
        )
        found += [Layer(telemetry=each) for each in whole][:1]
    own = (each for each in telemetries if _is_narrow(each) and _is_own(each, workload))
    return (*found, *[Layer(telemetry=each) for each in own][:1])


def _is_narrow(telemetry: Owned[Telemetry]) -> bool:
    """Whether it is for some pods of its namespace only."""
    spec = telemetry.typed.spec
    return bool(spec.selector or targets_of(spec.target_ref, spec.target_refs))


def _is_own(telemetry: Owned[Telemetry], workload: Workload) -> bool:
    spec = telemetry.typed.spec
    if targets := targets_of(spec.target_ref, spec.target_refs):
        return attached(targets, telemetry.namespace, workload)
    labels = spec.selector.match_labels if spec.selector else {}
    return telemetry.namespace == workload.namespace and labels.items() <= workload.labels.items()


def telemetry_of(sight: Sight, workload: Workload) -> tuple[ir.Telemetry, tuple[Problem, ...]]:
    """What a workload's proxy tells."""
    layers = layers_for(sight.index.world.telemetries, workload)
    problems: list[Problem] = []
    client, server = (
        ir.Reports(
            logs=_logs(sight, layers, side, problems),
            tracing=_tracing(sight, workload, layers, side, problems),
            metrics=metrics_of(
                (each for layer in layers for each in layer.metrics()), side, problems
            ),
        )
        for side in (_CLIENT, _SERVER)
    )
    quiet = sight.index.world.mesh.disable_envoy_listener_log
    made = ir.Telemetry(client=client, server=server, unmet=not quiet)
    return (ir.USUAL if made == ir.USUAL else made), tuple(dict.fromkeys(problems))


def _tracing(
    sight: Sight,
    workload: Workload,
    layers: tuple[Layer, ...],
    side: str,
    problems: list[Problem],
) -> ir.Tracing | None:
    made = _by_settings(sight, workload)
    provider, told = next(iter(_default_tracing(sight.index.world.mesh)), ""), BUILT_IN
    for layer in layers:
        for said, origin in layer.tracing(side):
            made = _with(made or ir.Tracing(), said, origin)
            if said.providers:
                provider, told = said.providers[0].name, origin.at(f"{origin.field}.providers[0]")
    if made is None or not provider:
        return made
    found = collector_named(sight, provider)
    if isinstance(found, Traced):
        return replace(made, collector=found.collector, path_length=found.path_length)
    problems.append(not_told(told, f"spans stay in lateen's own store: {found}"))
    return made


def _default_tracing(mesh: MeshConfig) -> tuple[str, ...]:
    return mesh.default_providers.tracing if mesh.default_providers else ()


def _by_settings(sight: Sight, workload: Workload) -> ir.Tracing | None:
    """What the mesh's settings, or those of the pod's own proxy, say by themselves."""
    world = sight.index.world
    settings = settings_of(world, workload)
    said = settings.tracing or TracingDefaults()
    if world.mesh.enable_tracing is False:
        return None
    made = ir.Tracing(
        percent=said.sampling,
        tags=_tags(said.custom_tags),
        own_tags=said.enable_istio_tags is not False,
        path_length=said.max_path_tag_length or ir.PATH_LENGTH,
    )
    zipkin = said.zipkin.address if said.zipkin else settings.zipkin_address
    host, _, port = zipkin.rpartition(":")
    backend = backend_named(sight, _full(host), int(port)) if port.isdecimal() else ""
    if isinstance(backend, str):
        return made
    return replace(made, collector=ir.ZipkinCollector(backend=backend))


def _full(host: str) -> str:
    """`zipkin.istio-system` is how Istio's own default is written."""
    return f"{host}.svc.cluster.local" if host.count(".") == 1 else host


def _with(made: ir.Tracing, said: TelemetryTracing, origin: Origin) -> ir.Tracing:
    percent, own = said.random_sampling_percentage, said.enable_istio_tags
    quiet, kept = said.disable_span_reporting, said.disable_context_propagation
    return replace(
        made,
        percent=made.percent if percent is None else percent,
        tags=_tags(said.custom_tags) or made.tags,
        own_tags=made.own_tags if own is None else own,
        reported=made.reported if quiet is None else not quiet,
        handed_on=made.handed_on if kept is None else not kept,
        origin=origin,
    )


def _tags(tags: dict[str, CustomTag]) -> tuple[tuple[str, ir.TagSource], ...]:
    return tuple((name, _source(tag)) for name, tag in sorted(tags.items()))


def _source(tag: CustomTag) -> ir.TagSource:
    if tag.environment:
        return ir.OfEnvironment(name=tag.environment.name, otherwise=tag.environment.default_value)
    if tag.header:
        return ir.OfHeader(name=tag.header.name.lower(), otherwise=tag.header.default_value)
    if tag.formatter:
        return ir.Formatted(tag.formatter.value)
    return ir.Same(tag.literal.value if tag.literal else "")


class _Log(Struct, frozen=True):
    """An access log that is written: of which requests, and who says so."""

    only: str
    origin: Origin


def _logs(
    sight: Sight, layers: tuple[Layer, ...], side: str, problems: list[Problem]
) -> tuple[ir.AccessLog, ...]:
    mesh = sight.index.world.mesh
    defaults = _default_logs(mesh)
    said = [each for layer in layers for each in layer.logging(side)]
    chosen = defaults
    for layer in layers:
        names = [p.name for each, _ in layer.logging(side) for p in each.providers]
        chosen = tuple(dict.fromkeys(names)) or chosen
    written = {name: _Log("", BUILT_IN) for name in defaults} if not said else {}
    for logging, origin in said:
        for name in [p.name for p in logging.providers] or chosen:
            if logging.disabled:
                written.pop(name, None)
            elif name in chosen:
                written[name] = _Log(logging.filter.expression if logging.filter else "", origin)
    made: list[ir.AccessLog] = []
    for name, log in written.items():
        sink = sink_named(sight, name)
        if isinstance(sink, str):
            problems.append(not_told(log.origin, f"requests are not written down there: {sink}"))
        else:
            made.append(ir.AccessLog(to=sink, only=log.only, origin=log.origin))
    return tuple(made)


def _default_logs(mesh: MeshConfig) -> tuple[str, ...]:
    """Where requests are written down if no Telemetry says it."""
    if mesh.default_providers and mesh.default_providers.access_logging:
        return mesh.default_providers.access_logging
    return () if mesh.access_log_file == "" else (ENVOY,)
