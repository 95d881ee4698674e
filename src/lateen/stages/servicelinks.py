"""What a container's environment says of Services: those of its namespace, and the API's own.

In: the Services of a pod's namespace, the API's own, spec.enableServiceLinks.    Out: variables.
Before: world/, cluster/services.py        After: stages/resolving.py

Source: core/v1 `enableServiceLinks`; kubernetes pkg/kubelet/envvars, kubelet_pods.go getServiceEnvVarMap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.service import Service, ServicePort
from lateen.base.origin import ObjectKey
from lateen.stages.podvolumes import Lookup

_API = ObjectKey(group="", kind="Service", namespace="default", name="kubernetes")
_About = tuple[tuple[Obj, ...], Obj | None]


class ServiceLinks:
    """The variables of each namespace's pods, worked out anew only when its Services are others.

    `services` gives those of a namespace, the same tuple for as long as nothing changes.
    """

    def __init__(self, services: Callable[[str], tuple[Obj, ...]], lookup: Lookup) -> None:
        self._services = services
        self._lookup = lookup
        self._known: dict[tuple[str, bool], tuple[_About, Mapping[str, str]]] = {}

    def of(self, pod: Pod) -> Mapping[str, str]:
        """What a pod is told; without enableServiceLinks only where the API is."""
        namespace, linked = pod.metadata.namespace, pod.spec.enable_service_links
        services = self._services(namespace) if linked else ()
        api = self._lookup(_API)
        known = self._known.get((namespace, linked))
        if known is not None and known[0][0] is services and known[0][1] is api:
            return known[1]
        made = service_variables(services if api is None else (api, *services))
        self._known[namespace, linked] = ((services, api), made)
        return made


def service_variables(services: Iterable[Obj]) -> dict[str, str]:
    """NAME_SERVICE_HOST, NAME_SERVICE_PORT and what Docker's links had, for each that has an address."""
    found: dict[str, str] = {}
    for obj in services:
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
