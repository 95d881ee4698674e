"""How a proxy speaks HTTP, beyond routing: whom it believes, and what it adds to messages.

In: -    Out: Manners.
Before: -       After: ir/plan.py, translate/manners.py, envoy/http.py
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class ClientCert(StrEnum):
    """What becomes of `x-forwarded-client-cert`; Envoy's names."""

    SANITIZE = "SANITIZE"
    FORWARD_ONLY = "FORWARD_ONLY"
    APPEND_FORWARD = "APPEND_FORWARD"
    SANITIZE_SET = "SANITIZE_SET"
    ALWAYS_FORWARD_ONLY = "ALWAYS_FORWARD_ONLY"

    @property
    def tells(self) -> bool:
        """Whether the proxy adds what it knows of the caller's certificate."""
        return self in (ClientCert.APPEND_FORWARD, ClientCert.SANITIZE_SET)


class CertPart(StrEnum):
    """What of a certificate can be told."""

    SUBJECT = "subject"
    CERT = "cert"
    CHAIN = "chain"
    DNS = "dns"
    URI = "uri"


USUALLY_TOLD = (CertPart.SUBJECT, CertPart.DNS, CertPart.URI)


class Patience(Struct, frozen=True, kw_only=True):
    """How long clients' connections and requests may take, in seconds (0: without end; None: Envoy's own).

    `streams` and the windows (bytes) are HTTP/2's; `buffer` is how much of a connection is kept at most.
    """

    idle: float | None = None
    connection: float | None = None
    drain: float | None = None
    request: float | None = None
    request_headers: float | None = None
    stream_idle: float = 0.0
    stream: float | None = None
    streams: int | None = None
    stream_window: int | None = None
    connection_window: int | None = None
    buffer: int | None = None


USUAL_PATIENCE = Patience()


class Manners(Struct, frozen=True, kw_only=True):
    """One proxy's ways with HTTP.

    `trusted_proxies`: how many in front of it are believed what they say of the client in
    `x-forwarded-for`; with `proxy_protocol` its connections begin with a PROXY header. `certificate` is
    about what it takes in, and `cert_parts` are told if it tells at all. `server` is the header of
    that name, "" for the app's own. `keeps_case`: header names of HTTP/1.1 as they were written. `http10`: that version is answered, too.
    """

    trusted_proxies: int = 0
    proxy_protocol: bool = False
    certificate: ClientCert = ClientCert.SANITIZE_SET
    cert_parts: tuple[CertPart, ...] = USUALLY_TOLD
    server: str = "istio-envoy"
    request_id: bool = True
    attempt_count: bool = True
    debug_headers: bool = True
    forwarded_host: bool = False
    forwarded_port: bool = False
    keeps_case: bool = False
    http10: bool = False
    patience: Patience = USUAL_PATIENCE


USUAL_MANNERS = Manners()
AT_THE_EDGE = Manners(certificate=ClientCert.SANITIZE)
