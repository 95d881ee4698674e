"""What a container's environment says of Services: those of its namespace, and the API's own.

In: the Services of a pod's namespace, the API's own, spec.enableServiceLinks.    Out: variables.
Before: world/, cluster/services.py        After: stages/resolving.py

Source: core/v1 `enableServiceLinks`; kubernetes pkg/kubelet/envvars, kubelet_pods.go getServiceEnvVarMap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.service import Service, ServicePort
from lateen.base.origin import ObjectKey
from lateen.stages.podvolumes import Lookup

_API = ObjectKey(group="", kind="Service", namespace="default", name="kubernetes")


def service_variables(pod: Pod, services: Sequence[Obj], lookup: Lookup) -> dict[str, str]:
    """NAME_SERVICE_HOST, NAME_SERVICE_PORT and what Docker's links had, for each Service with an address.

    `services` are those of the pod's namespace; without enableServiceLinks only the API's is told of.
    """
    api = lookup(_API)
    told = [api] if api is not None else []
    if pod.spec.enable_service_links:
        told += sorted(services, key=lambda o: o.key)
    found: dict[str, str] = {}
    for obj in told:
        assert isinstance(obj.typed, Service)  # noqa: S101 - only Services are given
        found.update(_of_one(obj.key.name, obj.typed))
    return found


def _of_one(service_name: str, service: Service) -> Iterator[tuple[str, str]]:
    address, ports = service.spec.cluster_ip, service.spec.ports
    if address in ("", "None") or not ports:
        return
    name = _variable(service_name)
    yield f"{name}_SERVICE_HOST", address
    yield f"{name}_SERVICE_PORT", str(ports[0].port)
    for port in ports:
        if port.name:
            yield f"{name}_SERVICE_PORT_{_variable(port.name)}", str(port.port)
    yield f"{name}_PORT", _url(address, ports[0])
    for port in ports:
        prefix = f"{name}_PORT_{port.port}_{port.protocol.upper()}"
        yield prefix, _url(address, port)
        yield f"{prefix}_PROTO", port.protocol.lower()
        yield f"{prefix}_PORT", str(port.port)
        yield f"{prefix}_ADDR", address


def _url(address: str, port: ServicePort) -> str:
    return f"{port.protocol.lower()}://{address}:{port.port}"


def _variable(name: str) -> str:
    return name.replace("-", "_").upper()
