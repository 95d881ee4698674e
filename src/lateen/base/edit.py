"""Small changes of a file's text that mend a problem: safe ones only, which keep what was meant.

In: field paths and new texts.    Out: Edit, carried by a Problem.
Before: -                         After: base/problem.py, sources/mending.py

A path is that of the object's field, as in an Origin; what surrounds it (comments, order, quoting) stays.
"""

from __future__ import annotations

from msgspec import Struct


class Rename(Struct, frozen=True, kw_only=True):
    """Give the mapping entry at `path` another key; its value stays."""

    path: str
    key: str


class Rewrite(Struct, frozen=True, kw_only=True):
    """Write `text`, as it stands in YAML, in place of the scalar at `path`."""

    path: str
    text: str


class Quote(Struct, frozen=True, kw_only=True):
    """Put the scalar at `path` into quotes, as it is written; with `off`, take its quotes away."""

    path: str
    off: bool = False


class Wrap(Struct, frozen=True, kw_only=True):
    """Give the entry at `path` the key `key`, and put its scalar into a mapping: `percent: 5` as `percentage: {value: 5}`."""

    path: str
    key: str
    inner: str


class Insert(Struct, frozen=True, kw_only=True):
    """Put the entry `key: value` first into the mapping at `path`; `value` is JSON, which is YAML, too."""

    path: str
    key: str
    value: str


Edit = Rename | Rewrite | Quote | Wrap | Insert
