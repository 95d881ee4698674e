"""The filter that looks up a request's host, where a listener leads to hosts by the name asked for.

In: HttpSite.              Out: HttpFilter ASKED.
Before: asked.py           After: filters/__init__.py
"""

from __future__ import annotations

from google.protobuf.message import Message

from lateen.envoy.asked import asked_http
from lateen.envoy.filters.kind import HttpFilter, HttpSite


def _on_listener(site: HttpSite) -> Message | None:
    return asked_http() if site.asks else None


ASKED = HttpFilter(name="envoy.filters.http.dynamic_forward_proxy", on_listener=_on_listener)
