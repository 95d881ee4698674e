"""Kubernetes' Status objects: how the API says no.

In: what went wrong.    Out: ApiFault, raised by handlers; `status_of`, its JSON body.
Before: base/problem.py        After: apiserver/app.py turns a fault into an answer

Source: k8s.io/apimachinery pkg/api/errors, whose reasons and sentences client libraries rely on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lateen.api.kinds import Kind
from lateen.base.errors import LateenError
from lateen.base.problem import Level, Problem

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class ApiFault(LateenError):
    """A request that is refused: `code` is the HTTP status, `details` as in Kubernetes' Status."""

    def __init__(
        self, code: int, message: str, *, reason: str = "", details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "")
        self.details = details
        self.metadata: dict[str, Any] = {}


def status_of(fault: ApiFault) -> dict[str, Any]:
    """The fault as a `v1` Status object."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": fault.metadata,
        "status": "Failure",
        "message": fault.message,
        "reason": fault.reason,
        "code": fault.code,
    }
    if fault.details:
        status["details"] = fault.details
    return status


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """The Status that answers a deletion which is already complete."""
    details = _details(kind, name) | {"uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def not_found(kind: Kind, name: str) -> ApiFault:
    """404 `pods "web" not found`."""
    return ApiFault(404, f'{resource(kind)} "{name}" not found', details=_details(kind, name))


def already_exists(kind: Kind, name: str) -> ApiFault:
    """409 AlreadyExists."""
    return ApiFault(
        409,
        f'{resource(kind)} "{name}" already exists',
        reason="AlreadyExists",
        details=_details(kind, name),
    )


def conflict(kind: Kind, name: str, why: str = "") -> ApiFault:
    """409: the caller's resourceVersion (or `why`) is not the current one."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    text = f'Operation cannot be fulfilled on {resource(kind)} "{name}": {why}'
    return ApiFault(409, text, details=_details(kind, name))


def namespace_ending(kind: Kind, name: str, namespace: str) -> ApiFault:
    """403: nothing new comes into a namespace on its way out."""
    words = f"namespace {namespace} is being terminated"
    cause = {"reason": "NamespaceTerminating", "message": words, "field": "metadata.namespace"}
    return ApiFault(
        403,
        f'{resource(kind)} "{name}" is forbidden: unable to create new content in namespace '
        f"{namespace} because it is being terminated",
        details=_details(kind, name) | {"causes": [cause]},
    )


def invalid_option(options: str, why: str) -> ApiFault:
    """422 for an option of the query: `PatchOptions.meta.k8s.io "" is invalid: ...`."""
    details = {"group": "meta.k8s.io", "kind": options}
    return ApiFault(422, f'{options}.meta.k8s.io "" is invalid: {why}', details=details)


def not_strict(kind: Kind, version: str, unknown: Iterable[str]) -> ApiFault:
    """400: fields the kind does not have, where the caller wants none of them."""
    said = ", ".join(unknown)
    return ApiFault(
        400,
        f'{kind.kind} in version "{version}" cannot be handled as a {kind.kind}: strict decoding '
        f"error: {said}",
    )


def expired(message: str) -> ApiFault:
    """410: the revision asked for is no longer known."""
    return ApiFault(410, message)


def invalid(kind: Kind, name: str, problems: Iterable[Problem]) -> ApiFault:
    """422 with one cause for each error among the problems."""
    errors = [p for p in problems if p.level is Level.ERROR]
    causes = [
        {"reason": "FieldValueInvalid", "message": _sentence(p), "field": p.origin.field}
        for p in errors
    ]
    said = [f"{p.origin.field}: {_sentence(p)}" if p.origin.field else _sentence(p) for p in errors]
    text = said[0] if len(said) == 1 else "[" + ", ".join(said) + "]"
    who = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {"name": name, "group": kind.group, "kind": kind.kind, "causes": causes}
    return ApiFault(422, f'{who} "{name}" is invalid: {text}', details=details)


def unknown_path() -> ApiFault:
    """404 for a path that names no resource."""
    return ApiFault(404, "the server could not find the requested resource", details={})


def resource(kind: Kind) -> str:
    """`deployments.apps`; the plural alone in the core group."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def _details(kind: Kind, name: str) -> dict[str, Any]:
    details = {"name": name, "kind": kind.plural}
    return details | {"group": kind.group} if kind.group else details


def _sentence(problem: Problem) -> str:
    fix = f" ({problem.fix})" if problem.fix else ""
    return f"{problem.message}{fix} [{problem.code}]"
