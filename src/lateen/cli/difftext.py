"""Write down what changes: for people, for programs, for a pull request.

In: Difference.                              Out: text, JSON's values, Markdown.
Before: explain/differing/changes.py         After: cli/differing.py
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from lateen.explain.differing.changes import Change, Difference, Push
from lateen.explain.differing.effects import Area
from lateen.explain.symbolic.saying import said_request

NO_CHANGES = "no traffic changes"
_SHOWN = 4  # names before the rest is counted
_SECURITY = frozenset({Area.EXPOSURE, Area.ACCESS, Area.MTLS, Area.EGRESS})


def as_text(found: Difference) -> str:
    """A line or two for each change, under what it is about; what of it is pushed is told by `push_as_text`."""
    lines = [summary(found), ""]
    for area, changes in groupby(found.changes, key=lambda change: change.area):
        lines.append(f"{area.value}:")
        for change in changes:
            lines += _lines(change, found.everyone)
        lines.append("")
    lines += [f"not looked at exactly: {doubt}" for doubt in found.doubts]
    return "\n".join(lines).rstrip()


def push_as_text(found: Difference) -> str:
    """What follows on the changes: how much is sent to how many proxies."""
    if not found.push:
        return ""
    return ("" if found.doubts else "\n") + _pushed(found.push)


def summary(found: Difference) -> str:
    """How much changes, in one line."""
    if found.same:
        return NO_CHANGES
    many = len(found.changes)
    secure = sum(change.area in _SECURITY for change in found.changes)
    opening = sum(change.opens is True for change in found.changes)
    words = [f"{many} change{'s' if many > 1 else ''} of traffic"]
    if secure:
        words.append(f"{secure} of security")
    if opening:
        words.append(f"{opening} letting more through")
    return ", ".join(words)


def _lines(change: Change, everyone: Sequence[str]) -> list[str]:
    mark = {True: "!", False: "-", None: " "}[change.opens]
    lines = [f" {mark} {_subject(change, everyone)}", f"     {change.before} → {change.after}"]
    if change.example:
        lines.append(f"     such as {said_request(change.example)}")
    return lines + [f"     by {each}" for each in change.because[:_SHOWN]]


def _subject(change: Change, everyone: Sequence[str]) -> str:
    """`GET /v1/* to reviews.shop from web.shop`."""
    what = " and ".join(change.requests)
    to = f" to {_few(change.targets)}" if change.targets else ""
    who = _senders(change, everyone)
    return f"{what}{to} from {who}" if what else who


def _senders(change: Change, everyone: Sequence[str]) -> str:
    all_of_them = len(everyone) > 1 and set(everyone) <= set(change.sources)
    further = [name for name in change.sources if name not in everyone]
    return _few(["every workload", *further] if all_of_them else change.sources)


def _few(names: Sequence[str]) -> str:
    if len(names) <= _SHOWN + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"


def _pushed(push: Push) -> str:
    if not push.proxies:
        return f"push: nothing to any of {push.of} proxies"
    return (
        f"push: {push.resources} resource{'s' if push.resources > 1 else ''}, {_size(push.size)}, "
        f"to {len(push.proxies)} of {push.of} proxies"
    )


def _size(size: int) -> str:
    return f"{size / 1024:.1f} KiB" if size >= 1024 else f"{size} bytes"


def as_json(found: Difference) -> dict[str, Any]:
    """The whole of it, for programs."""
    made: dict[str, Any] = {
        "same": found.same,
        "changes": [_tree(change) for change in found.changes],
        "doubts": list(found.doubts),
    }
    if found.push:
        made["push"] = {
            "proxies": list(found.push.proxies),
            "of": found.push.of,
            "resources": found.push.resources,
            "bytes": found.push.size,
        }
    return made


def _tree(change: Change) -> dict[str, Any]:
    example = change.example
    return {
        "area": change.area.value,
        "security": change.area in _SECURITY,
        "opens": change.opens,
        "sources": list(change.sources),
        "targets": list(change.targets),
        "requests": list(change.requests),
        "before": change.before,
        "after": change.after,
        "because": list(change.because),
        "example": None
        if example is None
        else {
            "request": said_request(example),
            "method": example.method,
            "authority": example.authority,
            "port": example.port,
            "path": example.path,
            "headers": dict(example.headers),
            "claims": None if example.claims is None else dict(example.claims),
        },
    }


def as_markdown(found: Difference) -> str:
    """A comment for a pull request."""
    lines = [f"### Traffic: {summary(found)}", ""]
    if found.changes:
        lines += ["| | requests | for | from | before | after |", "|---|---|---|---|---|---|"]
        lines += [_row(change, found.everyone) for change in found.changes]
        lines += ["", "<details><summary>Examples, and the rules that decide</summary>", ""]
        for change in found.changes:
            lines += _details(change, found.everyone)
        lines += ["", "</details>"]
    lines += [f"\n> Not looked at exactly: {_cell(doubt)}" for doubt in found.doubts]
    if found.push:
        lines += ["", f"{_pushed(found.push)}.".replace("push", "Push", 1)]
    return "\n".join(lines).rstrip()


def _row(change: Change, everyone: Sequence[str]) -> str:
    mark = {True: "⚠️ ", False: "", None: ""}[change.opens]
    cells = (
        f"{mark}{change.area.value}",
        _code(" and ".join(change.requests)),
        _code(_few(change.targets)),
        _cell(_senders(change, everyone)),
        _cell(change.before),
        f"**{_cell(change.after)}**",
    )
    return f"| {' | '.join(cells)} |"


def _details(change: Change, everyone: Sequence[str]) -> list[str]:
    example = [f"  - such as `{said_request(change.example)}`"] if change.example else []
    rules = [f"  - {_cell(each)}" for each in change.because]
    return [f"- {_cell(_subject(change, everyone))}", *example, *rules] if example or rules else []


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")
