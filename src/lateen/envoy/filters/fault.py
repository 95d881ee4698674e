"""Trouble made on purpose: the filter stands wherever requests are routed and does nothing by itself.

In: Route.fault.              Out: HTTPFault.
Before: ir/routes.py          After: filters/__init__.py
"""

from __future__ import annotations

from google.protobuf.message import Message

from lateen.envoy.filters.kind import HttpFilter, HttpSite, Side
from lateen.envoy.pb.envoy.extensions.filters.common.fault.v3.fault_pb2 import FaultDelay
from lateen.envoy.pb.envoy.extensions.filters.http.fault.v3.fault_pb2 import FaultAbort, HTTPFault
from lateen.envoy.pb.envoy.type.v3.percent_pb2 import FractionalPercent
from lateen.envoy.wire import duration
from lateen.ir.routes import Route

GRPC_CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


def share(percent: float) -> FractionalPercent:
    """A percentage, to a ten-thousandth."""
    return FractionalPercent(
        numerator=round(percent * 10_000), denominator=FractionalPercent.MILLION
    )


def _on_listener(site: HttpSite) -> Message | None:
    return None if site.side is Side.INBOUND else HTTPFault()


def _on_route(route: Route) -> Message | None:
    fault = route.fault
    if fault is None:
        return None
    made = HTTPFault()
    if fault.delay and fault.delay_percent:
        made.delay.CopyFrom(
            FaultDelay(fixed_delay=duration(fault.delay), percentage=share(fault.delay_percent))
        )
    if (fault.abort_status or fault.abort_grpc) and fault.abort_percent:
        made.abort.CopyFrom(FaultAbort(percentage=share(fault.abort_percent)))
        if fault.abort_grpc:
            made.abort.grpc_status = GRPC_CODES.index(fault.abort_grpc)
        else:
            made.abort.http_status = fault.abort_status
    return made


FAULT = HttpFilter(name="envoy.filters.http.fault", on_listener=_on_listener, on_route=_on_route)
