"""Field paths, written one way everywhere: `spec.http[0].route[1].weight`, `data["a.b"]`.

In: a path and a key or index.    Out: the longer path.
Before: -                         After: api/tree.py, api/shape.py, check/
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def child(path: str, key: str) -> str:
    """The path of a mapping's entry."""
    if not _is_plain(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


@lru_cache(maxsize=4096)
def _is_plain(key: str) -> bool:
    return _PLAIN.fullmatch(key) is not None


def element(path: str, index: int) -> str:
    """The path of a list's element."""
    return f"{path}[{index}]"


def holds(outer: str, inner: str) -> bool:
    """Whether `inner` is `outer` itself or lies inside it."""
    if not outer or inner == outer:
        return True
    return inner.startswith(outer) and inner[len(outer)] in ".["
