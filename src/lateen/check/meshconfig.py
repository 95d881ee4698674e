"""Check Istio's settings for the whole mesh.

In: the ConfigMap that holds them.    Out: problems.    Source: Istio ValidateMeshConfig.
Before: api/meshconfig.py, check/at.py                  After: check/service.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.config import ConfigMap
from lateen.api.meshconfig import KEY, NAME, NAMESPACE, MeshConfig, read_mesh_config
from lateen.api.shape import FaultKind
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
    for fault in faults:
        where = f"{fault.path}: " if fault.path else ""
        words = f"{where}{fault.message}"
        if fault.kind is FaultKind.NOT_YET:
            yield here.warning(words, fault.fix, NOT_YET_HONOURED)
        elif fault.kind is FaultKind.UNKNOWN:
            yield here.warning(words, fault.fix)
        else:
            yield here.error(words, fault.fix)
    yield from _values(mesh, here)


def _values(mesh: MeshConfig, at: At) -> Iterator[Problem]:
    policy, retries = mesh.outbound_traffic_policy, mesh.default_http_retry_policy
    if policy and policy.mode not in _MODES:
        yield at.error(f"outboundTrafficPolicy.mode: wanted one of {', '.join(_MODES)}")
    if retries and retries.attempts < 0:
        yield at.error("defaultHttpRetryPolicy.attempts cannot be negative")
