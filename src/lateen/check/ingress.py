"""Check one Ingress or IngressClass, in Kubernetes' words.

In: the object.        Out: problems.    Source: Kubernetes pkg/apis/networking/validation.
Before: check/at.py    After: check/objects.py, check/together.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED, REFERENCE_NOT_FOUND
from lateen.api.ingress import (
    CLASS_ANNOTATION,
    CONTROLLER,
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressTLS,
)
from lateen.api.names import subdomain_fault
from lateen.base.problem import Problem
from lateen.check.at import At, one_of, port_number
from lateen.check.hosts import is_ip
from lateen.check.inventory import Inventory
from lateen.check.service import port_name_fault

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NEVER_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_NEVER_AT_THEIR_END = ("/..", "/.")


def check_ingress(ingress: Ingress, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, here = ingress.spec, at.key("spec")
    if not spec.rules and spec.default_backend is None:
        words = "either `defaultBackend` or `rules` must be specified"
        yield here.invalid([], words)
    if spec.default_backend is not None:
        yield from _backend(spec.default_backend, here.key("defaultBackend"))
    for index, tls in enumerate(spec.tls):
        yield from _tls(tls, here.key("tls").item(index))
    for index, rule in enumerate(spec.rules):
        where = here.key("rules").item(index)
        yield from _host(rule.host, where.key("host"))
        if rule.http is not None:
            if not rule.http.paths:
                yield where.key("http", "paths").required()
            for number, path in enumerate(rule.http.paths):
                yield from _path(path, where.key("http", "paths").item(number))
    named = spec.ingress_class_name
    if named is not None and (fault := subdomain_fault(named)):
        yield here.key("ingressClassName").invalid(named, fault)
    if named is not None and (given := ingress.metadata.annotations.get(CLASS_ANNOTATION)):
        words = "can not be set when the class field is also set"
        yield at.key("metadata", "annotations", CLASS_ANNOTATION).invalid(given, words)


def check_ingress_class(ingress_class: IngressClass, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    controller, here = ingress_class.spec.controller, at.key("spec", "controller")
    domain, slash, path = controller.partition("/")
    if not controller:
        yield here.required()
    elif not slash or not path or subdomain_fault(domain):
        yield here.invalid(controller, 'must be a domain-prefixed path (such as "acme.io/foo")')


def check_ingress_references(ingress: Ingress, at: At, inventory: Inventory) -> Iterator[Problem]:
    """Who sees to it, and the Services and Secrets it names."""
    mesh, annotated = inventory.mesh, ingress.metadata.annotations.get(CLASS_ANNOTATION)
    mode = mesh.ingress_controller_mode
    if mode == "OFF" or (mode == "STRICT" and not (annotated or ingress.spec.ingress_class_name)):
        words = f"ingressControllerMode of the mesh's settings is {mode}: this one has no effect"
        yield at.key("spec").warning(words, "ingressClassName: istio", NOT_YET_HONOURED)
        return
    name = ingress.spec.ingress_class_name or annotated
    known = {**inventory.ingress_classes, mesh.ingress_class: CONTROLLER}
    if name and known.get(name) != CONTROLLER:
        words = f'nobody here sees to Ingresses of class "{name}": this one has no effect'
        field = at.key("spec", "ingressClassName")
        yield field.warning(words, "ingressClassName: istio", NOT_YET_HONOURED)
        return
    namespace = at.obj.key.namespace
    for where, backend in _backends(ingress, at.key("spec")):
        service = backend.service
        if service and inventory.host(service.name, namespace) is None:
            shown = f'Referenced host not found: "{service.name}"'
            yield where.key("service", "name").warning(shown, code=REFERENCE_NOT_FOUND)
    for index, tls in enumerate(ingress.spec.tls):
        if tls.secret_name and (namespace, tls.secret_name) not in inventory.secrets:
            shown = f'Referenced secret not found: "{tls.secret_name}"'
            field = at.key("spec", "tls").item(index).key("secretName")
            yield field.warning(shown, code=REFERENCE_NOT_FOUND)


def _backends(ingress: Ingress, at: At) -> Iterator[tuple[At, IngressBackend]]:
    if ingress.spec.default_backend is not None:
        yield at.key("defaultBackend"), ingress.spec.default_backend
    for index, rule in enumerate(ingress.spec.rules):
        for number, path in enumerate(rule.http.paths if rule.http else ()):
            here = at.key("rules").item(index).key("http", "paths").item(number)
            yield here.key("backend"), path.backend


def _backend(backend: IngressBackend, at: At) -> Iterator[Problem]:
    if backend.resource is not None and backend.service is not None:
        yield at.error("Invalid value: cannot set both resource and service backends")
        return
    if backend.service is None:
        if backend.resource is None:
            yield at.required("resource or service backend is required")
        return
    here, service = at.key("service"), backend.service
    if not service.name:
        yield here.key("name").required()
    if service.port.name and service.port.number:
        yield here.error("Invalid value: cannot set both port name & port number")
    elif service.port.name:
        if fault := port_name_fault(service.port.name):
            yield here.key("port", "name").invalid(service.port.name, fault)
    elif service.port.number:
        yield from port_number(here.key("port", "number"), service.port.number)
    else:
        yield here.required("port name or number is required")


def _host(host: str, at: At) -> Iterator[Problem]:
    if not host:
        return
    if is_ip(host):
        yield at.invalid(host, "must be a DNS name, not an IP address")
    elif words := subdomain_fault(host.removeprefix("*.")):
        yield at.invalid(host, words)


def _tls(tls: IngressTLS, at: At) -> Iterator[Problem]:
    for index, host in enumerate(tls.hosts):
        if words := subdomain_fault(host.removeprefix("*.")):
            yield at.key("hosts").item(index).invalid(host, words)
    if tls.secret_name and (words := subdomain_fault(tls.secret_name)):
        yield at.key("secretName").invalid(tls.secret_name, words)


def _path(path: HTTPIngressPath, at: At) -> Iterator[Problem]:
    here = at.key("path")
    if not path.path_type:
        yield at.key("pathType").required("pathType must be specified")
    else:
        yield from one_of(at.key("pathType"), path.path_type, _PATH_TYPES)
    if path.path_type in ("Exact", "Prefix"):
        if not path.path.startswith("/"):
            yield here.invalid(path.path, "must be an absolute path")
        for part in _NEVER_IN_PATHS:
            if part in path.path:
                yield here.invalid(path.path, f"must not contain '{part}'")
        for part in _NEVER_AT_THEIR_END:
            if path.path.endswith(part):
                yield here.invalid(path.path, f"cannot end with '{part}'")
    elif path.path and not path.path.startswith("/"):
        yield here.invalid(path.path, "must be an absolute path")
    yield from _backend(path.backend, at.key("backend"))
