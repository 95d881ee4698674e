"""Tell a plan as plain data, so that people and programs can read it.

In: any value of the IR.     Out: dicts, lists, texts, numbers.
Before: ir/plan.py           After: cli/

What is at its default is left out. Where several kinds of thing may stand, `is` says which one it is.
Private keys are never told.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any, get_args

from msgspec import NODEFAULT, Struct

from lateen.base.locality import Locality
from lateen.base.origin import Origin
from lateen.ir.authorizers import Authorizer
from lateen.ir.backends import BackendId, Discovery, Security
from lateen.ir.match import ANY_REQUEST, Exact, Prefix, Present, Regex, Suffix
from lateen.ir.plan import Outbound, TlsSecret
from lateen.ir.policy import Condition
from lateen.ir.routes import Action, HashBy
from lateen.ir.tokens import Keys

_UNIONS = (Outbound, Discovery, Security, HashBy, Action, Condition, Keys)
_KINDS = frozenset(kind for union in _UNIONS for kind in get_args(union)) | set(
    get_args(Authorizer)
)


def plain(value: Any) -> Any:
    """A value of the IR as data that JSON and YAML know; equal values give equal data."""
    match value:
        case Enum():
            return value.value
        case Origin():
            return _origin(value)
        case BackendId():
            subset = f" subset {value.subset}" if value.subset else ""
            return f"{value.host}:{value.port}{subset}" + (" as it is" if value.as_it_is else "")
        case Locality() | IPv4Network() | IPv6Network():
            return str(value)
        case Exact() | Prefix() | Suffix() | Regex():
            return {type(value).__name__.lower(): value.text}
        case Present():
            return "present"
        case TlsSecret():
            return {"name": value.name, "certificate": value.certificate.decode(errors="replace")}
        case bytes():
            return value.decode(errors="replace")
        case tuple() | list() | frozenset():
            return [plain(each) for each in value]
        case Struct():
            return _fields(value)
    return value


def _origin(origin: Origin) -> str:
    place = f", {origin.place}" if origin.place else ""
    who = str(origin.key) if origin.key else "lateen"
    return f"{who} {origin.field}".rstrip() + place


def _fields(value: Struct) -> Any:
    if value == ANY_REQUEST:
        return "any request"
    said: dict[str, Any] = {"is": type(value).__name__} if type(value) in _KINDS else {}
    defaults = defaults_of(type(value))
    for name in value.__struct_fields__:
        held = getattr(value, name)
        if name not in defaults or held != defaults[name]:
            said[name] = plain(held)
    return said


@cache
def defaults_of(kind: type[Struct]) -> Mapping[str, Any]:
    """The fields of a kind of value that need not be given, and what they are then."""
    pairs = zip(reversed(kind.__struct_fields__), reversed(kind.__struct_defaults__), strict=False)
    return {name: default for name, default in pairs if default is not NODEFAULT}
