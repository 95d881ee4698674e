"""Put a question to a webhook: by its url on loopback, or into a pod behind its Service.

In: where it answers, the question's bytes.    Out: the answer's bytes, or HookFailed.
Before: apiserver/podtalks.py                  After: apiserver/webhooks.py

The way into a pod is that of `kubectl port-forward`: the node agent connects to the app itself, past the pod's
proxy, which would want mTLS. TLS goes all the way; the server shows a certificate for NAME.NAMESPACE.svc.

Source: admissionregistration.k8s.io/v1 WebhookClientConfig.
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import socket
import ssl
from functools import partial
from urllib.parse import urlsplit

import aiohttp
from msgspec import Struct

from lateen.api.service import EndpointSlice, Service
from lateen.api.webhooks import WebhookService
from lateen.apiserver.access import LOOPBACK_NAMES
from lateen.apiserver.deps import ForwardRequest, Objects, OpenPodStream
from lateen.apiserver.podtalks import NoAnswer, talk
from lateen.base.origin import ObjectKey

_LONGEST = 3 * 1024 * 1024  # bytes of an answer
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
_SERVICE_LABEL = "kubernetes.io/service-name"


class HookFailed(Exception):
    """The webhook could not be asked; the text says why."""


class Pod(Struct, frozen=True, kw_only=True):
    """Where one pod answers for a Service."""

    uid: str
    port: int


async def ask_url(url: str, body: bytes, trust: ssl.SSLContext, seconds: float) -> bytes:
    """Ask a server on loopback; raises HookFailed."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname not in LOOPBACK_NAMES:
        raise HookFailed(f"{url} is not https on 127.0.0.1 or localhost")
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                url, data=body, headers=_HEADERS, ssl=trust, allow_redirects=False
            ) as response,
        ):
            if response.status != 200:
                raise HookFailed(f"it answered with status {response.status}")
            return await response.content.read(_LONGEST)
    except TimeoutError:
        raise HookFailed(f"no answer within {seconds:g} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as fault:
        raise HookFailed(str(fault) or type(fault).__name__) from None


async def ask_service(
    service: WebhookService,
    pod: Pod,
    body: bytes,
    trust: ssl.SSLContext,
    seconds: float,
    open_stream: OpenPodStream,
) -> bytes:
    """Ask the program in one pod; raises HookFailed."""
    name = f"{service.name}.{service.namespace}.svc"
    speak = partial(_posted, trust, name, service.path or "/", body)
    try:
        return await talk(ForwardRequest(uid=pod.uid, port=pod.port), open_stream, speak, seconds)
    except NoAnswer as fault:
        raise HookFailed(str(fault)) from None


def pod_for(service: WebhookService, store: Objects) -> Pod:
    """One of the ready pods behind the Service; raises HookFailed in Kubernetes' words."""
    where = {"namespace": service.namespace}
    found = store.get(ObjectKey(group="", kind="Service", name=service.name, **where))
    if found is None:
        raise HookFailed(f'service "{service.name}" not found')
    assert isinstance(found.typed, Service)  # noqa: S101 - the key says so
    ports = [port for port in found.typed.spec.ports if port.port == service.port]
    if not ports:
        raise HookFailed(f'no service port {service.port} found for service "{service.name}"')
    pods = [
        Pod(uid=endpoint.target_ref.uid, port=number)
        for obj in store.list(group="discovery.k8s.io", kind="EndpointSlice", **where)
        if obj.meta.labels.get(_SERVICE_LABEL) == service.name
        and isinstance(obj.typed, EndpointSlice)
        for number in (p.port for p in obj.typed.ports if p.name == ports[0].name and p.port)
        for endpoint in obj.typed.endpoints
        if endpoint.conditions.ready is not False
        and endpoint.target_ref is not None
        and endpoint.target_ref.uid
    ]
    if not pods:
        raise HookFailed(f'no endpoints available for service "{service.name}"')
    return secrets.choice(pods)


def _posted(
    trust: ssl.SSLContext, name: str, path: str, body: bytes, plain: socket.socket
) -> bytes:
    """Speak TLS and HTTP over a connected socket, which is closed; for a thread of its own."""
    with contextlib.closing(http.client.HTTPConnection(name)) as connection, plain:
        connection.sock = trust.wrap_socket(plain, server_hostname=name)
        connection.request("POST", path, body, _HEADERS)
        response = connection.getresponse()
        if response.status != 200:
            raise HookFailed(f"it answered with status {response.status}")
        return response.read(_LONGEST)
