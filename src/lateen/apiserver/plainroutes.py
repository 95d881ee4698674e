"""What clients ask before they ask for objects: health, version, discovery, OpenAPI.

In: a path.    Out: a table of routes, and the discovery documents below /api and /apis.
Before: apiserver/discovery.py, apiserver/aggregating.py, apiserver/openapi.py        After: apiserver/app.py

Source: Kubernetes API concepts, "API discovery"; "Kubernetes API health endpoints".
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from lateen.apiserver.aggregating import aggregated, aggregated_type, aggregated_wanted
from lateen.apiserver.deps import Objects
from lateen.apiserver.discovery import (
    api_versions,
    group_info,
    group_list,
    resource_list,
    version_info,
)
from lateen.apiserver.faults import unknown_path
from lateen.apiserver.openapi import openapi_v3, openapi_v3_index
from lateen.apiserver.serializing import json_response, to_json
from lateen.apiserver.swagger import openapi_v2, openapi_v2_wire

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Old clients ask by a name that is no media type (`v2@v1.0`); the answer has the name that is.
OPENAPI_WIRE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
OPENAPI_ASKED = ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", OPENAPI_WIRE)
HEALTH = ("healthz", "livez", "readyz")


def plain_routes(store: Objects) -> list[web.RouteDef]:
    """The routes that are the same for every kind."""

    async def version(_: web.Request) -> web.Response:
        return json_response(version_info())

    async def paths(request: web.Request) -> web.Response:
        known = {r.canonical for r in request.app.router.resources() if "{" not in r.canonical}
        return json_response({"paths": sorted(known)})

    async def v2(request: web.Request) -> web.Response:
        if any(name in request.headers.get("Accept", "") for name in OPENAPI_ASKED):
            return web.Response(body=openapi_v2_wire(), headers={"Content-Type": OPENAPI_WIRE})
        return json_response(openapi_v2())

    async def v3_index(_: web.Request) -> web.Response:
        return json_response(openapi_v3_index())

    async def v3(request: web.Request) -> web.Response:
        document = openapi_v3(request.match_info["path"])
        if document is None:
            raise unknown_path()
        return json_response(document)

    async def health(request: web.Request) -> web.Response:
        return _health(request, store)

    gets: dict[str, Handler] = {
        "/": paths,
        "/version": version,
        "/openapi/v2": v2,
        "/openapi/v3": v3_index,
        "/openapi/v3/{path:.+}": v3,
    }
    for name in HEALTH:
        gets[f"/{name}"] = gets[f"/{name}/{{check}}"] = health
    return [web.get(path, handler) for path, handler in gets.items()]


def discovered(request: web.Request) -> web.Response:
    """The document of a path below /api or /apis that names no resource; raises ApiFault 404."""
    if request.method not in ("GET", "HEAD"):
        raise unknown_path()
    parts = request.path.strip("/").split("/")
    wanted = aggregated_wanted(request.headers.get("Accept", ""))
    match parts:
        case ["api" | "apis" as root] if wanted:
            return _aggregated(request, wanted, core=root == "api")
        case ["api"]:
            return json_response(api_versions(request.host))
        case ["apis"]:
            return json_response(group_list())
        case ["api", version]:
            document = resource_list("", version)
        case ["apis", group]:
            document = group_info(group)
        case ["apis", group, version]:
            document = resource_list(group, version)
        case _:
            document = None
    if document is None:
        raise unknown_path()
    return json_response(document)


def _aggregated(request: web.Request, version: str, *, core: bool) -> web.Response:
    """The whole of discovery; 304 for a client that has it already."""
    body = to_json(aggregated(version, core=core))
    tag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
    headers = {"ETag": tag, "Vary": "Accept", "Content-Type": aggregated_type(version)}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)


def _health(request: web.Request, store: Objects) -> web.Response:
    """`ok`; with `?verbose` a line for each check, which `exclude` leaves out."""
    checks: dict[str, Callable[[], object]] = {
        "ping": lambda: None,
        "store": lambda: store.revision,
    }
    name = request.path.strip("/").partition("/")[0]
    if only := request.match_info.get("check"):
        if only not in checks:
            raise unknown_path()
        checks = {only: checks[only]}
    excluded = request.query.getall("exclude", [])
    lines = []
    for check, look in checks.items():
        if check not in excluded:
            look()
            lines.append(f"[+]{check} ok")
        else:
            lines.append(f"[+]{check} excluded: ok")
    if "verbose" in request.query:
        return web.Response(text="\n".join([*lines, f"{name} check passed\n"]))
    return web.Response(text="ok")
