"""What is known of one code.

In: -        Out: Entry.
Before: -    After: check/catalogue/istio.py, check/catalogue/own.py
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from lateen.base.problem import Level


class Found(StrEnum):
    """Who comes upon it."""

    READING = "reading"  # `lateen analyze`, `lateen up` and `lateen apply` alike
    ADVICE = "advice"  # `lateen analyze` alone
    RUNNING = "running"  # only a running mesh


class Entry(Struct, frozen=True):
    """A code, its name in one word, its usual level, and in half a sentence what it says."""

    code: str
    name: str
    level: Level
    found: Found
    says: str
