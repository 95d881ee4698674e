"""The forms of host and gateway names Istio takes.

In: text.    Out: None, or what is wrong with it.    Source: Istio pkg/config/validation/agent.
Before: api/names.py       After: check/virtualservice.py, check/gateway.py …
"""

from __future__ import annotations

import ipaddress
import re

from lateen.api.names import label_fault

_LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_WILDCARD_LABEL = re.compile(r"\*|(?:\*-?|[a-zA-Z0-9])(?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")


def fqdn_fault(host: str) -> str | None:
    """A DNS name without wildcard; one label is enough, a last dot is allowed."""
    return _length_fault(host) or _labels_fault(host, host)


def wildcard_host_fault(host: str) -> str | None:
    """A DNS name whose first label may be `*` or begin with it; `*` alone is one too."""
    if fault := _length_fault(host):
        return fault
    first, dot, rest = host.partition(".")
    if len(first) > 63 or not _WILDCARD_LABEL.fullmatch(first):
        return f'domain name "{host}" invalid (label "{first}" invalid)'
    return _labels_fault(rest, host) if dot else None


def gateway_host_fault(host: str) -> str | None:
    """`HOST` or `NAMESPACE/HOST`, where the namespace may be `*` or `.`."""
    namespace, slash, name = host.partition("/")
    if not slash:
        return wildcard_host_fault(host)
    if not namespace or not name:
        return "config namespace and dnsName in host entry cannot be empty"
    if namespace not in ("*", ".") and label_fault(namespace):
        return f'invalid namespace value "{namespace}" in gateway'
    return wildcard_host_fault(name)


def gateway_name_fault(name: str) -> str | None:
    """`NAME`, `NAMESPACE/NAME`, or `mesh`, as a VirtualService names a Gateway."""
    namespace, slash, short = name.partition("/")
    if not slash:
        return fqdn_fault(name)
    if not namespace or not short:
        return "config namespace and gateway name cannot be empty"
    if label_fault(namespace):
        return f'invalid value for namespace: "{namespace}"'
    if label_fault(short):
        return f'invalid value for gateway name: "{short}"'
    return None


def is_ip(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """Whether it is an address or a block of them."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def covers(pattern: str, host: str) -> bool:
    """Whether a host pattern (`*`, `*.example.com`, or a name) takes in a host or narrower pattern."""
    if pattern in (host, "*"):
        return True
    if not pattern.startswith("*"):
        return False
    tail = pattern[1:]
    return host.removeprefix("*").endswith(tail) and len(host) > len(tail)


def _length_fault(host: str) -> str | None:
    if not host:
        return "empty domain name not allowed"
    return f'domain name "{host}" too long (max 255)' if len(host) > 255 else None


def _labels_fault(labels: str, host: str) -> str | None:
    parts = labels.split(".")
    if parts[-1].isdigit():
        return (
            f'domain name "{host}" invalid (top level domain "{parts[-1]}" cannot be all-numeric)'
        )
    for index, label in enumerate(parts):
        if not label and index == len(parts) - 1 and index > 0:
            return None
        if len(label) > 63 or not _LABEL.fullmatch(label):
            return f'domain name "{host}" invalid (label "{label}" invalid)'
    return None
