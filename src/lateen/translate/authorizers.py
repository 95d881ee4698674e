"""The external authorizers of the mesh's settings, in the words of the IR.

In: ExtensionProviders, a name.      Out: Authorizer, or why there is none.
Before: translate/calling.py         After: translate/policy.py
"""

from __future__ import annotations

from collections.abc import Iterable

from lateen.api.extensionproviders import (
    EnvoyExternalAuthorizationGrpcProvider,
    EnvoyExternalAuthorizationHttpProvider,
    RequestBody,
)
from lateen.ir.authorizers import (
    Asking,
    Authorizer,
    Body,
    GrpcAuthorizer,
    HttpAuthorizer,
    Names,
)
from lateen.ir.backends import BackendId
from lateen.translate.conditions import policy_text
from lateen.translate.settings import seconds
from lateen.translate.views import Sight
from lateen.world.model import Service

_TIMEOUT = 600.0  # seconds, Istio's default
_STATUS = 403
_Provider = EnvoyExternalAuthorizationHttpProvider | EnvoyExternalAuthorizationGrpcProvider


def authorizer_named(sight: Sight, name: str) -> Authorizer | str:
    """The authorizer of that name; a text says why requests cannot be put to it."""
    known = {each.name: each for each in sight.index.world.mesh.extension_providers}
    provider = known.get(name)
    if provider is None:
        return f"the mesh's settings have no extension provider {name!r}"
    said = provider.envoy_ext_authz_http or provider.envoy_ext_authz_grpc
    if said is None:
        return f"extension provider {name!r} is no authorizer"
    asking = _asking(sight, said)
    if isinstance(asking, str):
        return f"extension provider {name!r}: {asking}"
    if isinstance(said, EnvoyExternalAuthorizationGrpcProvider):
        return GrpcAuthorizer(asking=asking)
    return HttpAuthorizer(
        asking=asking,
        prefix=said.path_prefix,
        shown=_names(said.include_request_headers_in_check or said.include_headers_in_check),
        added=tuple(sorted(said.include_additional_headers_in_check.items())),
        upstream=_names(said.headers_to_upstream_on_allow),
        refused=_names(said.headers_to_downstream_on_deny),
        allowed=_names(said.headers_to_downstream_on_allow),
    )


def _asking(sight: Sight, said: _Provider) -> Asking | str:
    service = service_named(sight, said.service)
    if service is None:
        return f"no service {said.service}"
    port = service.port(said.port)
    if port is None:
        return f"{service.host} has no port {said.port}"
    grpc = isinstance(said, EnvoyExternalAuthorizationGrpcProvider)
    if grpc and not port.protocol.is_http2:
        return (
            f"port {said.port} of {service.host} does not say that it speaks gRPC: name it grpc-..."
        )
    status = said.status_on_error
    return Asking(
        backend=BackendId(host=service.host, port=said.port),
        timeout=seconds(said.timeout) or _TIMEOUT,
        fail_open=said.fail_open,
        status_on_error=int(status) if status else _STATUS,
        body=_body(said.include_request_body_in_check),
        reroute=said.clear_route_cache,
    )


def service_named(sight: Sight, name: str) -> Service | None:
    """The service of `HOST` or `NAMESPACE/HOST`, as a sight has it."""
    namespace, _, host = name.rpartition("/")
    if not namespace:
        return sight.service(host)
    claims = sight.index.world.services.get(host, ())
    return next((service for service in claims if service.namespace == namespace), None)


def _names(names: Iterable[str]) -> Names:
    return tuple(policy_text(name.lower()) for name in names)


def _body(said: RequestBody | None) -> Body | None:
    if said is None:
        return None
    return Body(
        most=said.max_request_bytes,
        partial=said.allow_partial_message,
        as_bytes=said.pack_as_bytes,
    )
