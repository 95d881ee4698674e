"""Put the rules of delegates in the place of the rules that name them.

In: VirtualServices.    Out: the HTTP rules of one, each with the object and field it stands in.
Before: api/virtualservice.py        After: translate/routes.py

A delegate's rule holds under its own conditions and those of the rule that names it; one whose
conditions contradict those is left out. Source: Istio's "Delegate" and its model/virtualservice.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from lateen.api.virtualservice import HTTPMatchRequest, HTTPRoute, StringMatch, VirtualService
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.translate.faults import not_found, overruled
from lateen.world.model import Owned

V = TypeVar("V")
Find = Callable[[str, str], "Owned[VirtualService] | None"]

# What a delegate's rule takes from the rule that names it, where it says nothing itself.
_INHERITED = (
    "rewrite",
    "direct_response",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirror_percent",
    "mirror_percentage",
    "mirrors",
    "cors_policy",
    "headers",
)


class Written(Struct, frozen=True, kw_only=True):
    """One HTTP rule, and where its author wrote it."""

    http: HTTPRoute
    owner: Owned[VirtualService]
    path: str
    joined: bool = False  # its matches are of two rules, so no one field holds them

    def match_origin(self, index: int) -> Origin:
        """Where one of its matches stands."""
        if self.joined or not self.http.match:
            return self.owner.origin(self.path)
        return self.owner.origin(f"{self.path}.match[{index}]")


def written_rules(
    rule: Owned[VirtualService], find: Find
) -> tuple[tuple[Written, ...], tuple[Problem, ...]]:
    """The HTTP rules of a VirtualService in order. `find`: a delegate by namespace and name."""
    found: list[Written] = []
    problems: list[Problem] = []
    for index, http in enumerate(rule.typed.spec.http):
        path = f"spec.http[{index}]"
        if http.delegate is None:
            found.append(Written(http=http, owner=rule, path=path))
            continue
        namespace = http.delegate.namespace or rule.namespace
        origin = rule.origin(f"{path}.delegate")
        delegate = find(namespace, http.delegate.name)
        if delegate is None:
            what = f"delegate VirtualService {namespace}/{http.delegate.name}"
            problems.append(not_found(origin, what, "a delegate has no hosts"))
            continue
        found.extend(_joined(http, delegate, origin, problems))
    return tuple(found), tuple(problems)


def _joined(
    root: HTTPRoute, delegate: Owned[VirtualService], origin: Origin, problems: list[Problem]
) -> Iterator[Written]:
    for index, http in enumerate(delegate.typed.spec.http):
        path = f"spec.http[{index}]"
        if http.delegate is not None:
            message = "a delegate cannot delegate on; this rule is left out"
            problems.append(overruled(delegate.origin(f"{path}.delegate"), message))
            continue
        matches = _matches(root.match, http.match)
        if matches is None:
            message = f"its conditions contradict those of {origin.key}; this rule is left out"
            problems.append(overruled(delegate.origin(path), message))
            continue
        inherited = {name: getattr(http, name) or getattr(root, name) for name in _INHERITED}
        name = "-".join(word for word in (root.name, http.name) if word)
        made = msgspec.structs.replace(http, match=matches, name=name, **inherited)
        yield Written(http=made, owner=delegate, path=path, joined=bool(root.match))


def _matches(
    root: tuple[HTTPMatchRequest, ...], leaf: tuple[HTTPMatchRequest, ...]
) -> tuple[HTTPMatchRequest, ...] | None:
    """Both conditions at once; None if one of the delegate's fits nowhere."""
    if not root or not leaf:
        return root or leaf
    made: list[HTTPMatchRequest] = []
    for own in leaf:
        fitting = [_both(each, own) for each in root if not _contradict(each, own)]
        if not fitting:
            return None
        made.extend(fitting)
    return tuple(made)


def _both(root: HTTPMatchRequest, leaf: HTTPMatchRequest) -> HTTPMatchRequest:
    return HTTPMatchRequest(
        name="-".join(word for word in (root.name, leaf.name) if word),
        uri=leaf.uri or root.uri,
        scheme=leaf.scheme or root.scheme,
        method=leaf.method or root.method,
        authority=leaf.authority or root.authority,
        headers={**root.headers, **leaf.headers},
        without_headers={**root.without_headers, **leaf.without_headers},
        query_params={**root.query_params, **leaf.query_params},
        port=leaf.port or root.port,
        source_labels={**root.source_labels, **leaf.source_labels},
        source_namespace=leaf.source_namespace or root.source_namespace,
        gateways=leaf.gateways or root.gateways,
        ignore_uri_case=leaf.ignore_uri_case,
        stat_prefix=leaf.stat_prefix or root.stat_prefix,
    )


def _contradict(root: HTTPMatchRequest, leaf: HTTPMatchRequest) -> bool:
    texts = (
        (root.uri, leaf.uri),
        (root.scheme, leaf.scheme),
        (root.method, leaf.method),
        (root.authority, leaf.authority),
        *_shared(root.headers, leaf.headers),
        *_shared(root.without_headers, leaf.without_headers),
        *_shared(root.query_params, leaf.query_params),
    )
    return (
        any(a and b and not _narrower(b, a) for a, b in texts)
        or root.ignore_uri_case != leaf.ignore_uri_case
        or bool(root.port and leaf.port and root.port != leaf.port)
        or root.source_namespace not in ("", leaf.source_namespace)
        or any(a != b for a, b in _shared(root.source_labels, leaf.source_labels))
        or bool(root.gateways and set(leaf.gateways) - set(root.gateways))
    )


def _shared(root: Mapping[str, V], leaf: Mapping[str, V]) -> list[tuple[V, V]]:
    return [(root[key], leaf[key]) for key in leaf if key in root]


def _narrower(leaf: StringMatch, root: StringMatch) -> bool:
    """Whether all that the delegate's condition takes is taken by the root's. Never for a regex."""
    if root.exact:
        return leaf.exact == root.exact
    if root.prefix:
        return (leaf.prefix or leaf.exact or "").startswith(root.prefix)
    return False
