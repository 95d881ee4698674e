"""Turn a typed object back into the raw tree the store keeps.

In: a struct and its Kind.    Out: a JSON tree with apiVersion and kind.
Before: api/kinds.py          After: cluster/, apiserver/
"""

from __future__ import annotations

from typing import Any

import msgspec

from lateen.api.fields import Api, enc_hook
from lateen.api.kinds import Kind


def plain(typed: Api) -> dict[str, Any]:
    """The JSON tree of any struct of the API; fields that equal their default are left out."""
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(typed, enc_hook=enc_hook))
    return tree


def raw_of(typed: Api, kind: Kind) -> dict[str, Any]:
    """The JSON tree of an object; fields that equal their default are left out."""
    tree = plain(typed)
    version = str(getattr(typed, "api_version", "")) or kind.api_version()
    return {"apiVersion": version, "kind": kind.kind} | tree
