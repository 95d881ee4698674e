"""Tell the trace that goes on in B3 as well, for apps that know nothing else.

In: HttpSite.                 Out: the header mutation filter.
Before: filters/kind.py       After: filters/__init__.py

What the app hands on is what the next proxy goes by; that one reads both. Only an app behind its own proxy is told
whether the trace is wanted: on the way, traceparent says it, and an expression costs time.
"""

from __future__ import annotations

from google.protobuf.message import Message

from lateen.envoy.filters.kind import HttpFilter, HttpSite, Side
from lateen.envoy.pb.envoy.config.common.mutation_rules.v3.mutation_rules_pb2 import HeaderMutation
from lateen.envoy.pb.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from lateen.envoy.pb.envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from lateen.envoy.tracing import CLIENTS

# Decided by the caller where there is one, and by this proxy, which notes it in the request's id.
_SAMPLED = (
    "%CEL('traceparent' in request.headers"
    " ? (request.headers['traceparent'].endsWith('0') ? '0' : '1')"
    " : (request.headers['x-request-id'].matches('^[^-]*-[^-]*-4') ? '0' : '1'))%"
)
_IDS = {"x-b3-traceid": "%TRACE_ID%", "x-b3-spanid": "%SPAN_ID%"}
_GONE = ("x-b3-parentspanid", CLIENTS)  # of the caller's span, not of this one


def _made(told: dict[str, str], gone: tuple[str, ...]) -> header_mutation_pb2.HeaderMutation:
    changes = [HeaderMutation(remove=name) for name in gone]
    for name, format in told.items():
        header = HeaderValueOption(
            header=HeaderValue(key=name, value=format),
            append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        changes.append(HeaderMutation(append=header))
    mutations = header_mutation_pb2.Mutations(request_mutations=changes)
    return header_mutation_pb2.HeaderMutation(mutations=mutations)


# What an app has said in `b3` alone goes on to where there may be no proxy: it says whether the trace is wanted.
_ON_THE_WAY = _made(_IDS, _GONE)
_TO_AN_APP = _made(_IDS | {"x-b3-sampled": _SAMPLED}, ("b3", *_GONE))


def _on_listener(site: HttpSite) -> Message | None:
    if not site.tells_b3:
        return None
    return _TO_AN_APP if site.side is Side.INBOUND else _ON_THE_WAY


B3 = HttpFilter(name="envoy.filters.http.header_mutation", on_listener=_on_listener)
