"""Tell a port's protocol, as Istio's "explicit protocol selection" does.

In: appProtocol, port name, number.    Out: Protocol.
Before: world/model.py                 After: world/services.py
"""

from __future__ import annotations

from lateen.world.model import Protocol

_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
    "h2c": Protocol.HTTP2,
}

# Servers that speak first would wait for the sniffer; Istio takes these ports for TCP.
_SERVER_FIRST = (25, 53, 3306, 27017)

_KNOWN = {protocol.value: protocol for protocol in Protocol if protocol is not Protocol.UNKNOWN}


def protocol_named(text: str) -> Protocol:
    """The protocol a ServiceEntry or a Gateway names (`HTTP`, `GRPC-Web`); else UNKNOWN."""
    return _KNOWN.get(text.lower(), Protocol.UNKNOWN)


def protocol_of(app_protocol: str | None, name: str, number: int) -> Protocol:
    """The protocol of a Service port: appProtocol, else the name's prefix (`http-web`)."""
    if app_protocol:
        lower = app_protocol.lower()
        found = _APP_PROTOCOLS.get(lower) or _KNOWN.get(lower)
        if found:
            return found
    lower = name.lower()
    if lower == "grpc-web" or lower.startswith("grpc-web-"):
        return Protocol.GRPC_WEB
    prefix = lower.partition("-")[0]
    if prefix in _KNOWN:
        return _KNOWN[prefix]
    return Protocol.TCP if number in _SERVER_FIRST else Protocol.UNKNOWN
