"""Answer who may do what: `kubectl auth can-i`, its `--list`, `kubectl auth whoami`.

In: a review.    Out: the review with its status.
Before: apiserver/rbac.py, questions.py        After: apiserver/app.py

Source: Kubernetes "Authorization", authorization.k8s.io/v1.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from lateen.api.authorization import AccessReview, AccessReviewSpec, RulesReview
from lateen.api.encode import plain
from lateen.api.meta import ObjectMeta
from lateen.api.rbac import PolicyRule
from lateen.apiserver.asking import answered, question_of
from lateen.apiserver.attributes import Attributes
from lateen.apiserver.deps import Objects
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.guarding import user_of
from lateen.apiserver.identity import MASTERS, User
from lateen.apiserver.questions import (
    ACCESS,
    LOCAL_ACCESS,
    SELF_ACCESS,
    SELF_REVIEW,
    SELF_RULES,
    Question,
)
from lateen.apiserver.rbac import decide, grants_of

_EVERYTHING = (
    PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)),
    PolicyRule(verbs=("*",), non_resource_urls=("*",)),
)


def access_review_routes(store: Objects) -> list[web.RouteDef]:
    """The reviews of authorization.k8s.io and SelfSubjectReview."""

    async def self_access(request: web.Request) -> web.Response:
        review, tree = await question_of(request, SELF_ACCESS, AccessReview)
        status = _judged(store, user_of(request), _wanted(SELF_ACCESS, review.spec))
        return answered(SELF_ACCESS, tree, status)

    async def access(request: web.Request) -> web.Response:
        review, tree = await question_of(request, ACCESS, AccessReview)
        status = _judged(store, _subject(ACCESS, review.spec), _wanted(ACCESS, review.spec))
        return answered(ACCESS, tree, status)

    async def local_access(request: web.Request) -> web.Response:
        review, tree = await question_of(request, LOCAL_ACCESS, AccessReview)
        wanted = _wanted(LOCAL_ACCESS, review.spec)
        inside = request.match_info["namespace"]
        if not wanted.resource or wanted.namespace != inside:
            raise ApiFault(
                400,
                "spec.resourceAttributes.namespace: Invalid value: "
                f'"{wanted.namespace}": must match metadata.namespace',
            )
        return answered(
            LOCAL_ACCESS, tree, _judged(store, _subject(LOCAL_ACCESS, review.spec), wanted)
        )

    async def self_rules(request: web.Request) -> web.Response:
        review, tree = await question_of(request, SELF_RULES, RulesReview)
        if not review.spec.namespace:
            raise ApiFault(400, "no namespace on request")
        return answered(SELF_RULES, tree, _rules(store, user_of(request), review.spec.namespace))

    async def self_review(request: web.Request) -> web.Response:
        _, tree = await question_of(request, SELF_REVIEW, _Review)
        return answered(SELF_REVIEW, tree, {"userInfo": user_of(request).tree()})

    root = f"/apis/{ACCESS.api_version}"
    return [
        web.post(f"{root}/{SELF_ACCESS.plural}", self_access),
        web.post(f"{root}/{ACCESS.plural}", access),
        web.post(f"{root}/namespaces/{{namespace}}/{LOCAL_ACCESS.plural}", local_access),
        web.post(f"{root}/{SELF_RULES.plural}", self_rules),
        web.post(f"/apis/{SELF_REVIEW.api_version}/{SELF_REVIEW.plural}", self_review),
    ]


class _Review(RulesReview, frozen=True, kw_only=True):
    metadata: ObjectMeta = ObjectMeta()


def _wanted(question: Question, spec: AccessReviewSpec) -> Attributes:
    one, other = spec.resource_attributes, spec.non_resource_attributes
    match one, other:
        case None, None:
            words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        case None, path:
            return Attributes(verb=path.verb, path=path.path) if path else Attributes(verb="")
        case resource, None:
            return Attributes(
                verb=resource.verb,
                group=resource.group,
                version=resource.version,
                resource=resource.resource or "*",
                subresource=resource.subresource,
                namespace=resource.namespace,
                name=resource.name,
            )
        case _:
            words = "cannot be specified in combination with nonResourceAttributes"
    raise ApiFault(
        422, f'{question.kind}.{question.group} "" is invalid: spec.resourceAttributes: {words}'
    )


def _subject(question: Question, spec: AccessReviewSpec) -> User:
    if not spec.user and not spec.groups:
        words = "at least one of user or group must be specified"
        raise ApiFault(
            422,
            f'{question.kind}.{question.group} "" is invalid: spec.user: Invalid value: "": {words}',
        )
    return User(name=spec.user, uid=spec.uid, groups=spec.groups, extra=spec.extra)


def _judged(store: Objects, user: User, wanted: Attributes) -> dict[str, Any]:
    decision = decide(store, user, wanted)
    status: dict[str, Any] = {"allowed": decision.allowed}
    return status | {"reason": decision.reason} if decision.reason else status


def _rules(store: Objects, user: User, namespace: str) -> dict[str, Any]:
    missing: list[str] = []
    rules = [grant.rule for grant in grants_of(store, user, namespace, missing)]
    if MASTERS in user.groups:
        rules = [*_EVERYTHING, *rules]
    trees = [plain(rule) for rule in dict.fromkeys(rules)]
    status: dict[str, Any] = {
        "resourceRules": [tree for tree in trees if "nonResourceURLs" not in tree],
        "nonResourceRules": [tree for tree in trees if "nonResourceURLs" in tree],
        "incomplete": bool(missing),
    }
    return status | {"evaluationError": ", ".join(missing)} if missing else status
