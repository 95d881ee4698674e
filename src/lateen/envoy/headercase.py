"""HTTP/1: header names as they were written, which Envoy writes in lower case otherwise, and version 1.0.

In: -    Out: Http1ProtocolOptions.
Before: wire.py       After: http.py, clusters.py
"""

from __future__ import annotations

from lateen.envoy.pb.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from lateen.envoy.pb.envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions
from lateen.envoy.pb.envoy.extensions.http.header_formatters.preserve_case.v3.preserve_case_pb2 import (
    PreserveCaseFormatterConfig,
)
from lateen.envoy.wire import packed


def http1_options(*, keeps_case: bool, http10: bool = False) -> Http1ProtocolOptions:
    """For either side of a proxy: a name's case is kept only if both keep it."""
    made = Http1ProtocolOptions(accept_http_10=http10)
    if keeps_case:
        made.header_key_format.stateful_formatter.CopyFrom(
            TypedExtensionConfig(
                name="preserve_case", typed_config=packed(PreserveCaseFormatterConfig())
            )
        )
    return made
