"""Advise on definitions of the Gateway API: Istio works with none that are too old.

In: Survey.                       Out: problems IST0156, IST0172, IST0176.
Before: check/advice/survey.py    After: check/advice/__init__.py
Source: Istio pkg/config/schema/gatewayapi, istioctl precheck.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lateen.api.codes import (
    OLD_GATEWAY_BUNDLE,
    UNSTABLE_GATEWAY_VERSION,
    UNSUPPORTED_GATEWAY_VERSION,
)
from lateen.api.definition import CustomResourceDefinition
from lateen.base.problem import Problem
from lateen.check.advice.survey import Survey
from lateen.check.at import At

_GROUP = "gateway.networking.k8s.io"
_BUNDLE = f"{_GROUP}/bundle-version"
_NEEDED = {  # the bundle that a definition must be of at least
    f"grpcroutes.{_GROUP}": (1, 1, 0),
    f"backendtlspolicies.{_GROUP}": (1, 4, 0),
    f"tlsroutes.{_GROUP}": (1, 5, 0),
    f"tcproutes.{_GROUP}": (1, 6, 0),
}
_BETA = frozenset({"Gateway", "GatewayClass", "HTTPRoute", "ReferenceGrant"})
_STABLE = frozenset({"Gateway", "GatewayClass", "HTTPRoute", "GRPCRoute"})
_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:[-+].*)?")


def advise_on_gateway_definitions(survey: Survey) -> Iterator[Problem]:
    """Whether each serves the versions Istio reads, and is of a bundle it takes."""
    for obj, definition in survey.of(CustomResourceDefinition):
        if definition.spec.group != _GROUP:
            continue
        kind = definition.spec.names.kind
        served = sorted(version.name for version in definition.spec.versions if version.served)
        here, shown = At(obj).key("spec", "versions"), ",".join(served) or "none"
        if kind in _BETA and "v1beta1" not in served:
            words = (
                f"it serves {shown} and not v1beta1: Istio reads no {kind} of such a Gateway API"
            )
            yield here.error(words, "install a newer Gateway API", UNSUPPORTED_GATEWAY_VERSION)
        if kind in _STABLE and "v1" not in served:
            words = f"it serves {shown} and not v1: coming releases of Istio read no other {kind}"
            yield here.warning(words, "install a newer Gateway API", UNSTABLE_GATEWAY_VERSION)
        yield from _bundle(definition, At(obj))


def _bundle(definition: CustomResourceDefinition, at: At) -> Iterator[Problem]:
    name = definition.metadata.name
    said, needed = definition.metadata.annotations.get(_BUNDLE, ""), _NEEDED.get(name)
    found = _VERSION.fullmatch(said)
    if needed is None or found is None:
        return
    if tuple(int(part or 0) for part in found.groups()) < needed:
        least = ".".join(str(part) for part in needed)
        words = (
            f"{name} is of Gateway API {said}, and Istio leaves objects of it alone before {least}"
        )
        fix = f"install Gateway API v{least} or newer"
        yield at.key("metadata", "annotations", _BUNDLE).warning(words, fix, OLD_GATEWAY_BUNDLE)
