"""Read a question's body, and answer it.

In: a request.    Out: its typed question; the question's tree with a status.
Before: apiserver/questions.py, writing.py        After: accessreviews.py, tokenrequests.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from lateen.api.fields import Api
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.questions import Question
from lateen.apiserver.serializing import json_response
from lateen.apiserver.writing import body_of

T = TypeVar("T", bound=Api)


async def question_of(request: web.Request, question: Question, struct: type[T]) -> tuple[T, Any]:
    """The body as its struct, and its tree; raises ApiFault 400."""
    tree = await body_of(request)
    if not isinstance(tree, Mapping):
        raise ApiFault(400, "the body of the request is not an object")
    for field, wanted in (("apiVersion", question.api_version), ("kind", question.kind)):
        if tree.get(field, wanted) != wanted:
            raise ApiFault(
                400, f"the {field} in the data ({tree[field]}) does not match the URL's ({wanted})"
            )
    try:
        return msgspec.convert(_without_nulls(tree), struct), tree
    except msgspec.ValidationError as fault:
        raise ApiFault(400, f"{question.kind} in version {question.version}: {fault}") from None


def answered(
    question: Question, tree: Mapping[str, Any], status: Mapping[str, Any]
) -> web.Response:
    """201 with the question and its answer."""
    metadata = {"creationTimestamp": None} | dict(tree.get("metadata") or {})
    head = {"kind": question.kind, "apiVersion": question.api_version, "metadata": metadata}
    rest = {key: value for key, value in tree.items() if key not in (*head, "status")}
    return json_response({**head, **rest, "status": status}, 201)


def _without_nulls(tree: Any) -> Any:
    match tree:
        case Mapping():
            return {k: _without_nulls(v) for k, v in tree.items() if v is not None}
        case list():
            return [_without_nulls(item) for item in tree]
    return tree
