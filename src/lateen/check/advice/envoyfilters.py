"""Advise on the operations of EnvoyFilters: which Istio leaves out, and which depend on others' order.

In: Survey.                       Out: problems IST0151 to IST0155.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.codes import (
    ADD_IGNORED,
    RELATIVE_OPERATION,
    RELATIVE_OPERATION_OF_VERSION,
    REMOVE_IGNORED,
    REPLACE_IGNORED,
)
from lateen.api.envoyfilter import EnvoyFilter
from lateen.base.problem import Problem
from lateen.check.advice.survey import Survey
from lateen.check.at import At

_ROUTES = ("ROUTE_CONFIGURATION", "HTTP_ROUTE")
_REPLACEABLE = ("NETWORK_FILTER", "HTTP_FILTER", "VIRTUAL_HOST")
_RELATIVE = ("INSERT_BEFORE", "INSERT_AFTER", "REPLACE", "REMOVE")


def advise_on_envoy_filters(survey: Survey) -> Iterator[Problem]:
    """Every patch of every EnvoyFilter."""
    for obj, filter_ in survey.of(EnvoyFilter):
        for index, patch in enumerate(filter_.spec.config_patches):
            operation = patch.patch.operation if patch.patch else ""
            here = At(obj).key("spec", "configPatches").item(index).key("patch", "operation")
            if ignored := _ignored(operation, patch.apply_to, here):
                yield ignored
            elif operation in _RELATIVE and not filter_.spec.priority:
                versioned = patch.match and patch.match.proxy and patch.match.proxy.proxy_version
                yield _relative(operation, here, versioned=bool(versioned))


def _ignored(operation: str, apply_to: str, at: At) -> Problem | None:
    if operation == "ADD" and apply_to in _ROUTES:
        words = f"ADD is left out for {apply_to}: there is nothing to add to"
        return at.error(words, "operation: MERGE", ADD_IGNORED)
    if operation == "REMOVE" and apply_to in _ROUTES:
        return at.error(f"REMOVE is left out for {apply_to}", code=REMOVE_IGNORED)
    if operation == "REPLACE" and apply_to not in _REPLACEABLE:
        words = f"REPLACE is for {', '.join(_REPLACEABLE)} alone, not for {apply_to}"
        return at.error(words, "operation: MERGE", REPLACE_IGNORED)
    return None


def _relative(operation: str, at: At, *, versioned: bool) -> Problem:
    fix = "priority: 10 in spec, or INSERT_FIRST or ADD"
    if versioned:
        words = f"{operation} depends on what other EnvoyFilters did before, none has a priority, and the proxy's version changes with an upgrade"
        return at.warning(words, fix, RELATIVE_OPERATION_OF_VERSION)
    words = f"{operation} depends on what other EnvoyFilters did before, and without a priority that order is not fixed"
    return at.warning(words, fix, RELATIVE_OPERATION)
