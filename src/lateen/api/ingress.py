"""Ingress and IngressClass: hosts and paths that lead clients outside to Services.

In: -    Out: Ingress, IngressClass.    Source: networking.k8s.io/v1.
Before: api/meta.py       After: check/ingress.py, world/ingresses.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, NotYet
from lateen.api.meta import ObjectMeta

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
IS_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
CONTROLLER = "istio.io/ingress-controller"
CLASS = "istio"


class ServiceBackendPort(Api, frozen=True, kw_only=True):
    """A Service's port, by its name or its number."""

    name: str = ""
    number: int = 0


class IngressServiceBackend(Api, frozen=True, kw_only=True):
    """A Service of the Ingress's own namespace."""

    name: str = ""
    port: ServiceBackendPort = ServiceBackendPort()


class IngressBackend(Api, frozen=True, kw_only=True):
    """Where requests go."""

    service: IngressServiceBackend | None = None
    resource: NotYet = None


class HTTPIngressPath(Api, frozen=True, kw_only=True):
    """Requests for a path; `pathType` is Exact, Prefix (by its elements) or ImplementationSpecific."""

    path: str = ""
    path_type: str = ""
    backend: IngressBackend = IngressBackend()


class HTTPIngressRuleValue(Api, frozen=True, kw_only=True):
    """The paths of a host."""

    paths: tuple[HTTPIngressPath, ...] = ()


class IngressRule(Api, frozen=True, kw_only=True):
    """A host's paths; without a host, every host's."""

    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Api, frozen=True, kw_only=True):
    """Hosts whose certificate is in a Secret of the Ingress's namespace."""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(Api, frozen=True, kw_only=True):
    """Rules, certificates, and where everything else goes."""

    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    tls: tuple[IngressTLS, ...] = ()
    rules: tuple[IngressRule, ...] = ()


class Ingress(Api, frozen=True, kw_only=True):
    """networking.k8s.io/v1 Ingress."""

    api_version: str = "networking.k8s.io/v1"
    kind: str = "Ingress"
    metadata: ObjectMeta
    spec: IngressSpec = IngressSpec()
    status: Informative = None


class IngressClassSpec(Api, frozen=True, kw_only=True):
    """Who sees to Ingresses of the class."""

    controller: str = ""
    parameters: Informative = None


class IngressClass(Api, frozen=True, kw_only=True):
    """networking.k8s.io/v1 IngressClass."""

    api_version: str = "networking.k8s.io/v1"
    kind: str = "IngressClass"
    metadata: ObjectMeta
    spec: IngressClassSpec = IngressClassSpec()
