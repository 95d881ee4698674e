"""Let requests be looked at while they pass (`lateen tap`); nothing is done while nobody looks.

In: HttpSite.                 Out: the tap filter, opened through the admin interface.
Before: filters/kind.py       After: filters/__init__.py, telemetry/taps/

It stands first, so that it sees what later filters refuse, too.
"""

from __future__ import annotations

from google.protobuf.message import Message

from lateen.envoy import names
from lateen.envoy.filters.kind import HttpFilter, HttpSite, Side
from lateen.envoy.pb.envoy.extensions.common.tap.v3.common_pb2 import (
    AdminConfig,
    CommonExtensionConfig,
)
from lateen.envoy.pb.envoy.extensions.filters.http.tap.v3.tap_pb2 import Tap as Config


def _config(id: str) -> Config:
    return Config(
        common_config=CommonExtensionConfig(admin_config=AdminConfig(config_id=id)),
        record_headers_received_time=True,
        record_downstream_connection=True,
    )


_IN, _OUT = _config(names.TAP_IN), _config(names.TAP_OUT)


def _on_listener(site: HttpSite) -> Message | None:
    return _OUT if site.side is Side.OUTBOUND else _IN


TAP = HttpFilter(name="envoy.filters.http.tap", on_listener=_on_listener)
