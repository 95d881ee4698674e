"""What a proxy calls by itself on behalf of a policy: key sets of issuers, authorizers.

In: an URL, Sight.                 Out: BackendId, Backend.
Before: translate/used.py          After: translate/tokens.py, translate/plan.py

A service of the mesh is called as its clients call it, with the mesh's mTLS. Any other host is
called by the border, like all that leaves; over TLS it must show a certificate of its name.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from lateen.base.origin import BUILT_IN
from lateen.ir.backends import (
    Backend,
    BackendId,
    OriginateTls,
    Outside,
    Plaintext,
    Remote,
    Wire,
)
from lateen.ir.plan import Role
from lateen.ir.policy import Authorization
from lateen.ir.tokens import FetchedKeys
from lateen.translate.backends import ServiceBackends
from lateen.translate.used import used_backends
from lateen.translate.views import Sight
from lateen.world.model import CLUSTER_DOMAIN, Service

# No subset that a user can write is called so.
_TLS, _PLAIN = "~https", "~http"
_PORTS = {"http": 80, "https": 443}


def called(sight: Sight, url: str) -> BackendId | str:
    """The backend that answers an URL; why there is none."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or _PORTS[parts.scheme]
    service = sight.service(host)
    if service is None and host.endswith(f".svc.{CLUSTER_DOMAIN}"):
        return f"no service {host}"
    if service is None or (service.is_entry and tls):
        return BackendId(host=host, port=port, subset=_TLS if tls else _PLAIN)
    if service.port(port) is None:
        return f"{service.host} has no port {port}"
    if not tls or _originates(sight, service, port):
        return BackendId(host=service.host, port=port)
    return f"{service.host} is in the mesh, which adds TLS by itself: write http://"


def _originates(sight: Sight, service: Service, port: int) -> bool:
    """Whether a DestinationRule has the proxies speak TLS to it."""
    tls = sight.rules(service).effective(port, "").tls
    return tls is not None and tls.value.mode in ("SIMPLE", "MUTUAL")


def callees(authorization: Authorization) -> set[BackendId]:
    """The backends that a workload's policies have called."""
    keys = (rule.keys for rule in authorization.tokens)
    found = {each.backend for each in keys if isinstance(each, FetchedKeys)}
    custom = authorization.custom
    return found | {custom.authorizer.asking.backend} if custom else found


def called_backends(
    wanted: set[BackendId], sight: Sight, role: Role, known: tuple[Backend, ...]
) -> ServiceBackends:
    """Those of the wanted ones that are not known already, sorted."""
    wanted = wanted - {backend.id for backend in known}
    beyond = {id for id in wanted if id.subset in (_TLS, _PLAIN)}
    used = used_backends(wanted - beyond, sight, role)
    made = sorted([*used.backends, *map(_outside, beyond)], key=lambda backend: backend.id)
    return ServiceBackends(backends=tuple(made), endpoints=used.endpoints, problems=used.problems)


def _outside(id: BackendId) -> Backend:
    tls = id.subset == _TLS
    return Backend(
        id=id,
        discovery=Outside((Remote(host=id.host, port=id.port),)),
        wire=Wire.HTTP1,
        security=OriginateTls(sni=id.host) if tls else Plaintext(),
        origin=BUILT_IN,
    )
