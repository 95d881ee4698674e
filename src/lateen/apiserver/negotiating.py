"""What form of answer a client asks for: an object, or a Table of it.

In: an Accept header.    Out: Form.
Before: -                After: apiserver/reading.py, apiserver/watching.py

Source: Kubernetes API concepts, "Receiving resources as Tables".
"""

from __future__ import annotations

from enum import Enum

from lateen.apiserver.faults import ApiFault


class Form(Enum):
    """How an object travels."""

    OBJECT = "object"
    TABLE = "table"


def form_wanted(accept: str) -> Form:
    """The first form of the header that can be given; raises ApiFault 406 if there is none."""
    if not accept.strip():
        return Form.OBJECT
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        asked = dict(p.partition("=")[::2] for p in parameters)
        match media, asked.get("as"):
            case "application/json", "Table" if asked.get("v") in ("v1", "v1beta1"):
                return Form.TABLE
            case (("application/json" | "*/*" | "application/*"), None):
                return Form.OBJECT
            case _:
                continue
    raise ApiFault(
        406, "only the following media types are accepted: application/json (also as Table)"
    )
