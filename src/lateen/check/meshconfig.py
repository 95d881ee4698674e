"""Check Istio's settings for the whole mesh.

In: the ConfigMap that holds them.    Out: problems.    Source: Istio ValidateMeshConfig.
Before: api/meshconfig.py, check/at.py                  After: check/service.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.config import ConfigMap
from lateen.api.meshconfig import (
    KEY,
    NAME,
    NAMESPACE,
    MeshConfig,
    read_mesh_config,
    read_proxy_annotation,
)
from lateen.api.proxydefaults import ANNOTATION, ProxyDefaults, metadata_faults
from lateen.api.shape import Fault, FaultKind
from lateen.base.problem import Problem
from lateen.check.at import At

_MODES = ("ALLOW_ANY", "REGISTRY_ONLY")


def check_mesh_config(config: ConfigMap, at: At) -> Iterator[Problem]:
    """Every fault of the settings; none for any other ConfigMap. An unknown field is only told."""
    key = at.obj.key
    if (key.namespace, key.name) != (NAMESPACE, NAME) or KEY not in config.data:
        return
    here = at.key("data", KEY)
    mesh, faults = read_mesh_config(config.data[KEY])
    yield from _told(faults, here)
    yield from _values(mesh, here)


def check_proxy_annotation(annotations: Mapping[str, str], at: At) -> Iterator[Problem]:
    """Every fault of a pod's annotation `proxy.istio.io/config`; `at` is its metadata."""
    if ANNOTATION in annotations:
        here = at.key("annotations", ANNOTATION)
        config, faults = read_proxy_annotation(annotations[ANNOTATION])
        yield from _told(faults, here)
        yield from _metadata(config, "", here)


def _told(faults: Iterable[Fault], here: At) -> Iterator[Problem]:
    for fault in faults:
        where = f"{fault.path}: " if fault.path else ""
        words = f"{where}{fault.message}"
        if fault.kind is FaultKind.NOT_YET:
            yield here.warning(words, fault.fix, NOT_YET_HONOURED)
        elif fault.kind is FaultKind.UNKNOWN:
            yield here.warning(words, fault.fix)
        else:
            yield here.error(words, fault.fix)


def _values(mesh: MeshConfig, at: At) -> Iterator[Problem]:
    policy, retries = mesh.outbound_traffic_policy, mesh.default_http_retry_policy
    if policy and policy.mode not in _MODES:
        yield at.error(f"outboundTrafficPolicy.mode: wanted one of {', '.join(_MODES)}")
    if retries and retries.attempts < 0:
        yield at.error("defaultHttpRetryPolicy.attempts cannot be negative")
    if mesh.default_config:
        yield from _metadata(mesh.default_config, "defaultConfig.", at)


def _metadata(config: ProxyDefaults, path: str, at: At) -> Iterator[Problem]:
    for name, words in metadata_faults(config.proxy_metadata):
        yield at.error(f"{path}proxyMetadata.{name}: {words}")
