"""The environment says where Services are, in Kubernetes' variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.api.fields import dec_hook
from lateen.api.objects import Obj
from lateen.api.pod import Pod
from lateen.api.service import Service
from lateen.base.origin import ObjectKey
from lateen.stages.servicelinks import ServiceLinks


def service(name: str, ip: str, *ports: dict[str, Any], namespace: str = "shop") -> Obj:
    raw = {
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": ip, "ports": list(ports)},
    }
    key = ObjectKey(group="", kind="Service", namespace=namespace, name=name)
    return Obj(key=key, raw=raw, typed=msgspec.convert(raw, Service, dec_hook=dec_hook))


API = service("kubernetes", "198.19.0.1", {"name": "https", "port": 443}, namespace="default")
WEB = service("web-front", "198.19.0.20", {"name": "http", "port": 80}, {"name": "b-c", "port": 81})


class Told:
    """What pods are told; `services` may be replaced by others."""

    def __init__(self, *services: Obj) -> None:
        self.services = services
        self.links = ServiceLinks(lambda _: self.services, {API.key: API}.get)

    def of(self, **spec: Any) -> Mapping[str, str]:
        raw = {"metadata": {"name": "p", "namespace": "shop"}, "spec": {"containers": [], **spec}}
        return self.links.of(msgspec.convert(raw, Pod, dec_hook=dec_hook))


def variables(*services: Obj, **spec: Any) -> Mapping[str, str]:
    return Told(*services).of(**spec)


def test_every_pod_knows_the_api() -> None:
    assert variables(enableServiceLinks=False) == {
        "KUBERNETES_SERVICE_HOST": "198.19.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "443",
        "KUBERNETES_PORT": "tcp://198.19.0.1:443",
        "KUBERNETES_PORT_443_TCP": "tcp://198.19.0.1:443",
        "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
        "KUBERNETES_PORT_443_TCP_PORT": "443",
        "KUBERNETES_PORT_443_TCP_ADDR": "198.19.0.1",
    }


def test_services_of_its_namespace_are_told_of_unless_it_declines() -> None:
    found = variables(WEB)
    assert found["WEB_FRONT_SERVICE_HOST"] == "198.19.0.20"
    assert (found["WEB_FRONT_SERVICE_PORT"], found["WEB_FRONT_SERVICE_PORT_B_C"]) == ("80", "81")
    assert found["WEB_FRONT_PORT_81_TCP_PORT"] == "81"
    assert set(variables(WEB, enableServiceLinks=False)) == set(variables())


def test_a_service_without_an_address_is_passed_over() -> None:
    headless = service("peers", "None", {"port": 80})
    named = service("far", "", {"port": 80})
    assert variables(headless, named) == variables()


def test_they_are_worked_out_again_only_when_the_services_are_others() -> None:
    told = Told(WEB)
    first = told.of()
    assert told.of() is first
    assert told.of(enableServiceLinks=False) is not first
    told.services = ()
    assert "WEB_FRONT_SERVICE_HOST" not in told.of()
