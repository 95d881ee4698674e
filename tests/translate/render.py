"""Show a part of a plan as short YAML, for goldens that people read.

Defaults are left out (Istio's retries are called by name); a value of a union is shown under its class; places in files are not shown.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import yaml
from msgspec import NODEFAULT, Struct

from lateen.base.origin import BUILT_IN, Origin
from lateen.base.problem import Problem
from lateen.ir.backends import BackendId, Endpoint, EndpointSet, MeshMtls, OriginateTls, Remote
from lateen.ir.match import ANY_REQUEST, Exact, Prefix, Regex, Suffix
from lateen.ir.plain import defaults_of
from lateen.ir.plan import HttpOut, ProxyPlan, SniffOut, SniOut, TcpOut, TlsSecret
from lateen.ir.routes import Forward, Redirect, Respond, VirtualHost
from lateen.translate.actions import DEFAULT_RETRIES

_TEXTS = (Exact, Prefix, Suffix, Regex)
_NAMED = (Forward, Redirect, Respond, MeshMtls, OriginateTls, HttpOut, TcpOut, SniffOut, SniOut)


def shown(plan: ProxyPlan, problems: tuple[Problem, ...], parts: tuple[str, ...]) -> str:
    """Some parts of a plan (its fields, `tables/NAME`, `tables/NAME/HOST`, `problems`) as YAML."""
    return yaml.safe_dump(
        {part: _part(plan, problems, part) for part in parts},
        sort_keys=False,
        width=100,
        allow_unicode=True,
    )


def _part(plan: ProxyPlan, problems: tuple[Problem, ...], part: str) -> Any:
    field, _, name = part.partition("/")
    if field == "problems":
        return [f"{p.code} {p.origin.key} {p.origin.field}: {p.message}" for p in problems]
    if field == "apps":  # a part of `inbound`
        return {p.port: plain(p.app) for p in plan.inbound.ports} if plan.inbound else {}
    if field == "tables" and "/" in name:
        table, _, host = name.partition("/")
        hosts = next(each.hosts for each in plan.tables if each.name == table)
        return [plain(each) for each in hosts if each.name.startswith(host)]
    if field == "tables" and name:
        return next(plain(table) for table in plan.tables if table.name == name)
    if field == "outbound" and name:
        return [plain(each) for each in plan.outbound if str(each.port) == name]
    if field == "backends" and name:
        return [plain(b) for b in plan.backends if b.id.host.startswith(f"{name}.")]
    if field == "endpoints" and name:
        return [plain(e) for e in plan.endpoints if e.id.host.startswith(f"{name}.")]
    return plain(getattr(plan, field))


def plain(value: Any) -> Any:
    """A value as YAML's own types."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, IPv4Network | IPv6Network):
        return str(value)
    if isinstance(value, Origin):
        return f"{value.key} {value.field}".strip() if value.key else value.field
    if isinstance(value, BackendId):
        return f"{value.host}:{value.port}" + (f" {value.subset}" if value.subset else "")
    if isinstance(value, TlsSecret):
        return value.name
    if value == ANY_REQUEST:
        return "any"
    if value == DEFAULT_RETRIES:
        return "Istio's default"
    if isinstance(value, VirtualHost) and value.origin == BUILT_IN and value.routes:
        return value.name
    if isinstance(value, Endpoint):
        return _endpoint(value)
    if isinstance(value, Remote):
        weight = f" weighs {value.weight}" if value.weight > 1 else ""
        rank = f" priority {value.priority}" if value.priority else ""
        return f"{value.host}:{value.port}{weight} {value.locality}{rank}".strip()
    if isinstance(value, EndpointSet):
        return {plain(value.id): [plain(e) for e in value.endpoints]}
    if isinstance(value, _TEXTS):
        return f"{type(value).__name__} {value.text}"
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    if isinstance(value, Struct):
        return _fields(value)
    return value


def _endpoint(endpoint: Endpoint) -> str:
    how = "mtls" if endpoint.mtls else "plain"
    who = " ".join(w for w in (endpoint.workload, endpoint.version) if w)
    rank = f"priority {endpoint.priority}" if endpoint.priority else ""
    share = f"share {endpoint.share}" if endpoint.share else ""
    where = " ".join(w for w in (who, str(endpoint.locality), rank, share) if w)
    return f"{endpoint.address}:{endpoint.port} {how} {where}".strip()


def _fields(value: Struct) -> Any:
    name, defaults = type(value).__name__, defaults_of(type(value))
    inner = {
        field: plain(held)
        for field in value.__struct_fields__
        if (held := getattr(value, field)) not in (defaults.get(field, NODEFAULT), "")
    }
    if "domains" in inner:
        inner["domains"] = " ".join(inner["domains"])
    if isinstance(value, _NAMED):
        return {name: inner}
    return inner or name
