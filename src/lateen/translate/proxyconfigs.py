"""How a pod's proxy is to be started.

In: ProxyConfigs, the mesh's settings, a workload.    Out: ProxyStart, ProxyDefaults in force.
Before: api/proxyconfig.py, world/                    After: stages/bootstrapping.py, translate/plan.py

As in Istio: the mesh's `defaultConfig`, then the root namespace's ProxyConfig, the namespace's, the pod's
annotation, and the ProxyConfig that selects the pod; each adds to the one before, field by field. How
a proxy starts holds for those that start from then on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import reduce
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.fields import Api
from lateen.api.meshconfig import read_proxy_annotation
from lateen.api.proxyconfig import ProxyConfig
from lateen.api.proxydefaults import ProxyDefaults
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload, World

NOTHING_SAID = ProxyDefaults()
_JOINED = ("proxy_metadata", "runtime_values")  # entry by entry
_OF_THE_PROXY = "ISTIO_META_"
DRAIN_SECONDS = 45  # Istio's default


class ProxyStart(Struct, frozen=True, kw_only=True):
    """Threads, environment, what the proxy says of itself, seconds for draining, Envoy's own settings.

    `last`: seconds it stays from when the pod begins to end.
    """

    concurrency: int = 1
    env: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    drain: int = DRAIN_SECONDS
    last: float = 0.0
    runtime: tuple[tuple[str, str], ...] = ()


def proxy_start(world: World, workload: Workload) -> ProxyStart:
    """How the proxy of a workload is started."""
    said = settings_of(world, workload)
    env, drain = said.proxy_metadata, said.drain_duration
    last = said.termination_drain_duration
    metadata = {
        key.removeprefix(_OF_THE_PROXY): text
        for key, text in env.items()
        if key.startswith(_OF_THE_PROXY)
    }
    return ProxyStart(
        concurrency=(1 if said.concurrency is None else said.concurrency) or os.cpu_count() or 1,
        env=tuple(sorted(env.items())),
        metadata=tuple(sorted(metadata.items())),
        drain=max(round(drain.seconds), 1) if drain else DRAIN_SECONDS,
        last=last.seconds if last else 0.0,
        runtime=tuple(sorted(said.runtime_values.items())),
    )


def settings_of(world: World, workload: Workload) -> ProxyDefaults:
    """All that is in force for a workload's proxy.

    A field has the value that is said closest to the pod; environment and headers are joined, entry by
    entry.
    """
    return reduce(_over, _settings(world, workload), NOTHING_SAID)


def _over(base: ProxyDefaults, closer: ProxyDefaults) -> ProxyDefaults:
    if base is NOTHING_SAID:
        return closer
    said = _said(closer)
    for joined in _JOINED:
        if joined in said:
            said[joined] = getattr(base, joined) | said[joined]
    if base.proxy_headers and closer.proxy_headers:
        said["proxy_headers"] = replace(base.proxy_headers, **_said(closer.proxy_headers))
    return replace(base, **said)


def _said(settings: Api) -> dict[str, Any]:
    """The fields that are given, by name."""
    nothing = type(settings)()
    pairs = ((name, getattr(settings, name)) for name in settings.__struct_fields__)
    return {name: value for name, value in pairs if value != getattr(nothing, name)}


def _settings(world: World, workload: Workload) -> Iterator[ProxyDefaults]:
    """All that say something, the closest last."""
    if world.mesh.default_config:
        yield world.mesh.default_config
    namespaces = dict.fromkeys((ROOT_NAMESPACE, workload.namespace))
    for namespace in namespaces:
        for config in world.proxy_configs:
            if config.namespace == namespace and not _labels(config):
                yield _of(config)
                break
    if workload.proxy_settings:
        yield read_proxy_annotation(workload.proxy_settings)[0]
    for config in world.proxy_configs:
        wanted = _labels(config)
        own = config.namespace == workload.namespace
        if own and wanted and wanted.items() <= workload.labels.items():
            yield _of(config)
            break


def _labels(config: Owned[ProxyConfig]) -> dict[str, str]:
    selector = config.typed.spec.selector
    return selector.match_labels if selector else {}


def _of(config: Owned[ProxyConfig]) -> ProxyDefaults:
    spec = config.typed.spec
    return ProxyDefaults(concurrency=spec.concurrency, proxy_metadata=spec.environment_variables)
