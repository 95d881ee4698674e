"""The values that Kubernetes adds to CEL: quantities, addresses, URLs, semantic versions, formats.

In: text.    Out: tagged mappings, which CEL compares and carries like any other; what can be asked of them.
Before: api/quantity.py, api/names.py        After: api/cellibrary.py

Source: k8s.io/apiserver pkg/cel/library (quantity.go, ip.go, cidr.go, urls.go, format.go, semverlib.go).
A ValueError's words are what the expression fails with.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from lateen.api.names import (
    label_1035_fault,
    label_fault,
    label_value_fault,
    qualified_fault,
    subdomain_fault,
)
from lateen.api.quantity import exact

Value = dict[str, Any]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

QUANTITY, IP, CIDR, URL, SEMVER, FORMAT, MAYBE = (
    "kubernetes.Quantity",
    "net.IP",
    "net.CIDR",
    "kubernetes.URL",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
    "optional_type",
)
_TAG = "@type"
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def kind_of_value(value: Any) -> str:
    """Which of the added types it is; "" for a value of CEL's own."""
    return str(value.get(_TAG, "")) if isinstance(value, Mapping) else ""


def tagged(kind: str, **parts: Any) -> Value:
    """A value of an added type."""
    return {_TAG: kind, **parts}


def part(value: Any, kind: str, name: str) -> Any:
    """One part of a value that must be of that type; raises ValueError."""
    if kind_of_value(value) != kind:
        raise ValueError("no such overload")
    return value[name]


def can(make: Callable[[str], object]) -> Callable[[str], bool]:
    """Whether a text can be read so."""

    def is_one(text: str) -> bool:
        try:
            make(text)
        except ValueError:
            return False
        return True

    return is_one


def quantity(text: str) -> Value:
    """`quantity("1.5Gi")`; equal amounts are equal values."""
    amount = exact(text)
    return tagged(QUANTITY, amount=f"{amount.numerator}/{amount.denominator}")


def amount_of(value: Any) -> Fraction:
    """The number a quantity means; raises ValueError."""
    return Fraction(part(value, QUANTITY, "amount"))


def from_amount(amount: Fraction) -> Value:
    """The quantity of that number."""
    return tagged(QUANTITY, amount=f"{amount.numerator}/{amount.denominator}")


def ip(text: str) -> Value:
    """`ip("10.0.0.1")`; no zone, and no IPv4 inside IPv6, as Kubernetes reads them."""
    return tagged(IP, address=str(address(text)))


def address(text: str) -> Address:
    """The address; raises ValueError."""
    try:
        made = ip_address(text)
    except ValueError:
        raise ValueError(f'IP Address "{text}" parse error during conversion from string') from None
    if isinstance(made, IPv6Address):
        if made.scope_id:
            raise ValueError(f'IP address "{text}" with zone value is not allowed')
        if made.ipv4_mapped:
            raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return made


def cidr(text: str) -> Value:
    """`cidr("10.0.0.0/8")`; bits beyond the prefix are kept until `masked()`."""
    at, slash, length = text.partition("/")
    try:
        if not slash:
            raise ValueError(text)
        ip_network(text, strict=False)
        whole = address(at)
    except ValueError:
        words = f'network address parse error during conversion from string: "{text}"'
        raise ValueError(words) from None
    return tagged(CIDR, address=str(whole), length=int(length))


def network_of(value: Any) -> Network:
    """The network of a CIDR; raises ValueError."""
    return ip_network(f"{part(value, CIDR, 'address')}/{part(value, CIDR, 'length')}", strict=False)


def url(text: str) -> Value:
    """`url("https://example.com/a?b=c")`: absolute, or a path from the root."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f'URL parse error during conversion from string: "{text}"') from None
    if not text.startswith("/") and not (parts.scheme and (parts.netloc or parts.path)):
        raise ValueError(
            f"URL parse error during conversion from string: parse {text!r}: invalid URI for request"
        )
    host = parts.netloc.rpartition("@")[2]
    name = host.removesuffix(f":{port}") if port is not None else host
    return tagged(
        URL,
        scheme=parts.scheme,
        host=host,
        hostname=name.removeprefix("[").removesuffix("]"),
        port="" if port is None else str(port),
        path=quote(parts.path, safe="/%:@!$&'()*+,;=-._~"),
        query=parse_qs(parts.query, keep_blank_values=True),
        text=text,
    )


def semver(text: str) -> Value:
    """`semver("1.2.3-rc.1")`."""
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise ValueError(f'Invalid semantic version "{text}"')
    major, minor, patch, pre = found.groups()
    return tagged(
        SEMVER, numbers=[int(major), int(minor), int(patch)], pre=pre.split(".") if pre else []
    )


def semver_order(value: Any) -> tuple[Any, ...]:
    """By what semantic versions are compared: a pre-release comes before its release."""
    pre = part(value, SEMVER, "pre")
    names = tuple((0, int(w), "") if w.isdecimal() else (1, 0, w) for w in pre)
    return (*part(value, SEMVER, "numbers"), not pre, names)


def _wrong_url(text: str) -> str | None:
    return None if can(url)(text) else "invalid URI for request"


def _wrong(make: Callable[[str], object], words: str) -> Callable[[str], str | None]:
    def fault(text: str) -> str | None:
        try:
            make(text)
        except (ValueError, binascii.Error):
            return words
        return None

    return fault


def _prefix(fault: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """A name to which more will be put may end in a dash."""
    return lambda text: fault(text[:-1] + "a" if text.endswith("-") else text)


FORMATS: Mapping[str, Callable[[str], str | None]] = {
    "dns1123Label": label_fault,
    "dns1123Subdomain": subdomain_fault,
    "dns1035Label": label_1035_fault,
    "qualifiedName": qualified_fault,
    "dns1123LabelPrefix": _prefix(label_fault),
    "dns1123SubdomainPrefix": _prefix(subdomain_fault),
    "dns1035LabelPrefix": _prefix(label_1035_fault),
    "labelValue": label_value_fault,
    "uri": _wrong_url,
    "uuid": _wrong(uuid.UUID, "does not match the UUID format"),
    "byte": _wrong(lambda text: base64.b64decode(text, validate=True), "invalid base64"),
    "date": _wrong(date.fromisoformat, "invalid date"),
    "datetime": _wrong(
        lambda text: datetime.fromisoformat(text.replace("Z", "+00:00")), "invalid datetime"
    ),
}


def validated(form: Any, text: str) -> Value:
    """An optional list of what is wrong with the text; empty if nothing is."""
    fault = FORMATS[part(form, FORMAT, "name")](text)
    return tagged(MAYBE, value=[fault] if fault else None)
