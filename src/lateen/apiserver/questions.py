"""Kinds that are only asked and never stored: where they are asked, and how discovery lists them.

In: -    Out: Question and all of its kind.
Before: api/authentication.py, api/authorization.py        After: apiserver/asking.py, discovery.py
"""

from __future__ import annotations

from msgspec import Struct

from lateen.api.authentication import AUTHENTICATION
from lateen.api.authorization import AUTHORIZATION


class Question(Struct, frozen=True, kw_only=True):
    """One such kind: it is created, and the answer is its status."""

    group: str
    kind: str
    plural: str
    namespaced: bool = False
    version: str = "v1"

    @property
    def api_version(self) -> str:
        """Group and version as an object says them."""
        return f"{self.group}/{self.version}"


TOKEN_REVIEW = Question(group=AUTHENTICATION, kind="TokenReview", plural="tokenreviews")
SELF_REVIEW = Question(group=AUTHENTICATION, kind="SelfSubjectReview", plural="selfsubjectreviews")
TOKEN_REQUEST = Question(group=AUTHENTICATION, kind="TokenRequest", plural="serviceaccounts/token")
SELF_ACCESS = Question(
    group=AUTHORIZATION, kind="SelfSubjectAccessReview", plural="selfsubjectaccessreviews"
)
SELF_RULES = Question(
    group=AUTHORIZATION, kind="SelfSubjectRulesReview", plural="selfsubjectrulesreviews"
)
ACCESS = Question(group=AUTHORIZATION, kind="SubjectAccessReview", plural="subjectaccessreviews")
LOCAL_ACCESS = Question(
    group=AUTHORIZATION,
    kind="LocalSubjectAccessReview",
    plural="localsubjectaccessreviews",
    namespaced=True,
)
QUESTIONS = (TOKEN_REVIEW, SELF_REVIEW, SELF_ACCESS, SELF_RULES, ACCESS, LOCAL_ACCESS)
