"""What form of answer a client asks for: an object, a Table of it, or only its metadata.

In: an Accept header.    Out: Form.
Before: -                After: apiserver/reading.py, apiserver/watching.py

Source: Kubernetes API concepts, "Receiving resources as Tables", "Alternate representations".
"""

from __future__ import annotations

from enum import Enum

from lateen.apiserver.faults import ApiFault

_VERSIONS = ("v1", "v1beta1")
_JSON = ("application/json", "application/*", "*/*")


class Form(Enum):
    """How an object travels."""

    OBJECT = "object"
    TABLE = "table"
    METADATA = "metadata"


def form_wanted(accept: str) -> Form:
    """The first form of the header that can be given; raises ApiFault 406 if there is none."""
    if not accept.strip():
        return Form.OBJECT
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        asked = dict(p.partition("=")[::2] for p in parameters)
        if media not in _JSON:
            continue
        known = asked.get("v") in _VERSIONS and asked.get("g", "meta.k8s.io") == "meta.k8s.io"
        match asked.get("as"):
            case None:
                return Form.OBJECT
            case "Table" if known:
                return Form.TABLE
            case "PartialObjectMetadata" | "PartialObjectMetadataList" if known:
                return Form.METADATA
            case _:
                continue
    raise ApiFault(
        406,
        "only the following media types are accepted: application/json (also as Table and as "
        "PartialObjectMetadata)",
    )
