"""Check the parts that rules of several kinds are made of: texts, destinations, shares, durations.

In: StringMatch, Destination, Percent, Duration.    Out: problems.    Source: Istio's validation.
Before: check/at.py, check/regex.py                 After: check/httproute.py, check/rawroute.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.fields import Duration
from lateen.api.names import label_fault
from lateen.api.virtualservice import Destination, Percent, StringMatch
from lateen.base.problem import Problem
from lateen.check.at import At, port_number
from lateen.check.hosts import wildcard_host_fault
from lateen.check.regex import regex_fault


def check_duration(at: At, value: Duration | None, *, zero: bool = False) -> Iterator[Problem]:
    """A duration of 1 ms or more in whole milliseconds; None passes, and 0 where that means off."""
    if value is None or (zero and value.seconds == 0):
        return
    if value.seconds < 0.001:
        yield at.error("duration must be greater than 1ms")
    elif abs(value.seconds * 1000 - round(value.seconds * 1000)) > 1e-6:
        yield at.error("only durations to ms precision are supported")


def check_text(
    match: StringMatch, at: At, *, empty_prefix: bool = False, present: bool = False
) -> Iterator[Problem]:
    """One of exact, prefix, regex; none of them where an empty condition means presence."""
    given = [n for n in ("exact", "prefix", "regex") if getattr(match, n) is not None]
    if len(given) > 1:
        yield at.error(f"only one of exact, prefix, regex can be set, got {', '.join(given)}")
    if not given and not present:
        yield at.error("one of exact, prefix, regex must be set")
    if match.prefix == "" and not empty_prefix:
        yield at.key("prefix").error("prefix string match should not be empty")
    if match.regex is not None and (fault := regex_fault(match.regex)):
        yield at.key("regex").error(fault)


def check_destination(destination: Destination, at: At) -> Iterator[Problem]:
    """A host, and what of it."""
    if destination.host == "*":
        yield at.key("host").error("invalid destination host *")
    elif fault := wildcard_host_fault(destination.host):
        yield at.key("host").error(fault)
    if destination.subset and label_fault(destination.subset):
        yield at.key("subset").error(f"subset name is invalid: {destination.subset}")
    if destination.port:
        yield from port_number(at.key("port", "number"), destination.port.number)


def check_percentage(percentage: Percent | None, at: At) -> Iterator[Problem]:
    """0, or 0.0001 to 100; None passes."""
    if percentage and not (percentage.value == 0.0 or 0.0001 <= percentage.value <= 100.0):
        words = f"percentage {percentage.value:g} is neither 0.0, nor in range [0.0001, 100.0]"
        yield at.error(words)
