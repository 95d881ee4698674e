"""Routes for looking at objects: what there is, one as a whole, who runs it, what was said about it.

In: ApiDeps and the store.    Out: a table of routes, for the console.
Before: apiserver/objectviews.py        After: console/page.py
"""

from __future__ import annotations

from aiohttp import web

from lateen.apiserver.deps import ApiDeps, Objects
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.objectviews import event_rows, object_rows, object_whole
from lateen.apiserver.serializing import json_response
from lateen.base.origin import ObjectKey

_NONE = "-"  # in a path: the core group, or no namespace


def looking_routes(store: Objects, deps: ApiDeps, prefix: str) -> list[web.RouteDef]:
    """They only look, too."""

    async def objects(_: web.Request) -> web.Response:
        return json_response(object_rows(store.list()))

    async def whole(request: web.Request) -> web.Response:
        key = _key_of(request)
        obj = store.get(key)
        if obj is None:
            raise ApiFault(404, f"there is no {key}")
        return json_response({**object_whole(obj), **deps.holders(key)})

    async def settings(request: web.Request) -> web.Response:
        namespace, pod = request.match_info["namespace"], request.match_info["pod"]
        return json_response(deps.settings_at(namespace, pod))

    async def events(request: web.Request) -> web.Response:
        words = request.query
        found = store.list(group="", kind="Event", namespace=words.get("namespace") or None)
        return json_response(event_rows(found, words.get("kind", ""), words.get("name", "")))

    gets = {
        "/objects": objects,
        "/objects/{group}/{kind}/{namespace}/{name}": whole,
        "/proxies/{namespace}/{pod}/settings": settings,
        "/object-events": events,
    }
    return [web.get(prefix + path, handler) for path, handler in gets.items()]


def _key_of(request: web.Request) -> ObjectKey:
    words = {
        name: "" if value == _NONE else value
        for name, value in request.match_info.items()
        if name in ("group", "kind", "namespace", "name")
    }
    return ObjectKey(**words)
