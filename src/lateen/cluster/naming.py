"""Names Kubernetes' controllers make up: template hashes and random-looking suffixes.

In: text, templates.    Out: names and hashes.    Source: apimachinery util/rand, controller_utils.
Before: api/workload.py        After: cluster/deployments.py, cluster/replicasets.py
"""

from __future__ import annotations

from collections.abc import Container
from itertools import count
from typing import Any

import msgspec

from lateen.api.meta import ObjectMeta
from lateen.api.pod import PodTemplateSpec
from lateen.cluster.plain import plain_tree

HASH_LABEL = "pod-template-hash"
_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # no vowels and no 0, 1, 3: no words, no mistaken letters
_NAME_LIMIT = 63


def fnv32a(data: bytes) -> int:
    """The 32-bit FNV-1a hash."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Each character as one of Kubernetes' safe alphabet."""
    return "".join(_SAFE[ord(character) % len(_SAFE)] for character in text)


def template_hash(template: PodTemplateSpec, collision: int = 0) -> str:
    """The value of label pod-template-hash; equal for templates that differ in defaults only."""
    salt = str(collision).encode() if collision else b""
    return safe_encode(str(fnv32a(canonical(template) + salt)))


def canonical(template: PodTemplateSpec) -> bytes:
    """The meaning of a template: without defaults, empty fields and its pod-template-hash."""
    meta = template.metadata
    labels = {k: v for k, v in meta.labels.items() if k != HASH_LABEL}
    bare = ObjectMeta(labels=labels, annotations=meta.annotations)
    tree = plain_tree(msgspec.structs.replace(template, metadata=bare))
    return msgspec.json.encode(_without_empty(tree), order="sorted")


def suffixed(base: str, salt: str, taken: Container[str]) -> str:
    """`BASE-xxxxx`: five safe characters that follow from the salt, none of the names taken."""
    stem = base[: _NAME_LIMIT - 6]
    for attempt in count():
        name = f"{stem}-{_five(f'{salt}/{attempt}')}"
        if name not in taken:
            return name
    raise AssertionError("count never ends")


def _five(salt: str) -> str:
    value = fnv32a(salt.encode())
    letters = []
    for _ in range(5):
        value, digit = divmod(value, len(_SAFE))
        letters.append(_SAFE[digit])
    return "".join(letters)


def _without_empty(tree: Any) -> Any:
    if isinstance(tree, dict):
        pruned = {key: _without_empty(value) for key, value in tree.items()}
        return {key: value for key, value in pruned.items() if value not in (None, {}, [], ())}
    if isinstance(tree, list | tuple):
        return [_without_empty(item) for item in tree]
    return tree
