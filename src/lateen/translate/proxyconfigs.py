"""How a pod's proxy is to be started.

In: ProxyConfigs, the mesh's settings, a workload.    Out: ProxyStart.
Before: api/proxyconfig.py, world/                    After: stages/bootstrapping.py

As in Istio: the mesh's `defaultConfig`, then the root namespace's ProxyConfig, the namespace's, the pod's
annotation, and the ProxyConfig that selects the pod; each adds to the one before, field by field. It
holds for proxies that start from then on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from lateen.api.meshconfig import read_proxy_annotation
from lateen.api.proxyconfig import ProxyConfig
from lateen.api.proxydefaults import ProxyDefaults
from lateen.world.model import ROOT_NAMESPACE, Owned, Workload, World

_OF_THE_PROXY = "ISTIO_META_"
DRAIN_SECONDS = 45  # Istio's default


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyStart:
    """Threads, environment, what the proxy says of itself, and seconds for draining."""

    concurrency: int = 1
    env: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    drain: int = DRAIN_SECONDS


def proxy_start(world: World, workload: Workload) -> ProxyStart:
    """How the proxy of a workload is started."""
    concurrency: int | None = None
    env: dict[str, str] = {}
    drain: int = DRAIN_SECONDS
    for settings in _settings(world, workload):
        concurrency = concurrency if settings.concurrency is None else settings.concurrency
        env |= settings.proxy_metadata
        drain = round(settings.drain_duration.seconds) if settings.drain_duration else drain
    if concurrency is None:
        concurrency = 1
    metadata = {
        key.removeprefix(_OF_THE_PROXY): text
        for key, text in env.items()
        if key.startswith(_OF_THE_PROXY)
    }
    return ProxyStart(
        concurrency=concurrency or os.cpu_count() or 1,
        env=tuple(sorted(env.items())),
        metadata=tuple(sorted(metadata.items())),
        drain=max(drain, 1),
    )


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
