"""Give a new pod its namespace's default requests and limits, and hold it to the bounds.

In: a pod's tree, the LimitRanges of its namespace.    Out: the tree; the words of what is out of bounds.
Before: api/limits.py        After: check/newcomers.py

Source: Kubernetes "Limit Ranges", `plugin/pkg/admission/limitranger`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from lateen.api.limits import LimitRange, LimitRangeItem
from lateen.api.quantity import Quantity, exact

Tree = Mapping[str, Any]
_LISTS = ("initContainers", "containers")


def with_default_resources(pod: Tree, ranges: Sequence[LimitRange]) -> dict[str, Any]:
    """The pod with what the LimitRanges give to containers that do not say it themselves."""
    items = [i for r in ranges for i in r.spec.limits if i.type == "Container"]
    spec = dict(pod["spec"])
    for name in _LISTS:
        if spec.get(name):
            spec[name] = [_container(container, items) for container in spec[name]]
    return {**pod, "spec": spec}


def out_of_bounds(pod: Tree, ranges: Sequence[LimitRange]) -> Iterator[str]:
    """What of the pod is beyond a bound, in Kubernetes' words."""
    containers = [c for name in _LISTS for c in pod["spec"].get(name) or ()]
    for item in (i for r in ranges for i in r.spec.limits):
        if item.type == "Container":
            for container in containers:
                requests, limits = _asked(container, "requests"), _asked(container, "limits")
                yield from _judged(item, requests, limits)
        elif item.type == "Pod":
            running = pod["spec"].get("containers") or ()
            yield from _judged(item, total(running, "requests"), total(running, "limits"))


def total(containers: Iterable[Tree], what: str) -> dict[str, Fraction]:
    """The sum of what containers request, or of their limits, by resource."""
    summed: dict[str, Fraction] = {}
    for container in containers:
        for name, quantity in _asked(container, what).items():
            summed[name] = summed.get(name, Fraction(0)) + quantity
    return summed


def _container(container: Tree, items: Sequence[LimitRangeItem]) -> dict[str, Any]:
    own = container.get("resources") or {}
    limits, requests = dict(own.get("limits") or {}), dict(own.get("requests") or {})
    for name, quantity in limits.items():
        requests.setdefault(name, quantity)
    for item in items:
        usual = {**item.max, **item.default}
        for name, quantity in usual.items():
            limits.setdefault(name, quantity)
        for name, quantity in {**usual, **item.min, **item.default_request}.items():
            requests.setdefault(name, quantity)
    made = dict(own) | ({"limits": limits} if limits else {})
    made |= {"requests": requests} if requests else {}
    return {**container, "resources": made} if made else dict(container)


def _judged(
    item: LimitRangeItem, requests: Mapping[str, Fraction], limits: Mapping[str, Fraction]
) -> Iterator[str]:
    for name, low in item.min.items():
        given = requests.get(name)
        if given is None:
            yield f"minimum {name} usage per {item.type} is {low}.  No request is specified"
        elif given < exact(low):
            yield f"minimum {name} usage per {item.type} is {low}, but request is {shown(given)}"
    for name, high in item.max.items():
        given = limits.get(name)
        if given is None:
            yield f"maximum {name} usage per {item.type} is {high}.  No limit is specified"
        elif given > exact(high):
            yield f"maximum {name} usage per {item.type} is {high}, but limit is {shown(given)}"
    for name, ratio in item.max_limit_request_ratio.items():
        request, limit = requests.get(name), limits.get(name)
        if request and limit and limit / request > exact(ratio):
            yield (
                f"{name} max limit to request ratio per {item.type} is {ratio}, but provided ratio is "
                f"{float(limit / request):f}"
            )


def _asked(container: Tree, what: str) -> dict[str, Fraction]:
    given: Mapping[str, Quantity] = (container.get("resources") or {}).get(what) or {}
    return {name: exact(quantity) for name, quantity in given.items()}


def shown(quantity: Fraction) -> str:
    """A quantity in its shortest exact form: `500m`, `2`, `128Mi`."""
    if quantity.denominator != 1:
        milli = quantity * 1000
        return f"{milli}m" if milli.denominator == 1 else f"{float(quantity):g}"
    number = quantity.numerator
    for suffix, size in (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
        if number and number % size == 0:
            return f"{number // size}{suffix}"
    return str(number)
