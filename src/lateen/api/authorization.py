"""Access reviews: may I, may they, what may I? None is ever stored.

In: -    Out: the structs.    Source: authorization.k8s.io/v1.
Before: api/meta.py        After: apiserver/accessreviews.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative
from lateen.api.meta import ObjectMeta

AUTHORIZATION = "authorization.k8s.io"


class ResourceAttributes(Api, frozen=True, kw_only=True):
    """A verb on a resource; "" means all for group, version and namespace, none for the rest."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    field_selector: Informative = None
    label_selector: Informative = None


class NonResourceAttributes(Api, frozen=True, kw_only=True):
    """A verb on a path that is no resource."""

    path: str = ""
    verb: str = ""


class AccessReviewSpec(Api, frozen=True, kw_only=True):
    """What is asked about, and (but for reviews of oneself) who."""

    resource_attributes: ResourceAttributes | None = None
    non_resource_attributes: NonResourceAttributes | None = None
    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


class AccessReview(Api, frozen=True, kw_only=True):
    """Self, Local or plain SubjectAccessReview."""

    metadata: ObjectMeta = ObjectMeta()
    spec: AccessReviewSpec = AccessReviewSpec()


class RulesReviewSpec(Api, frozen=True, kw_only=True):
    """Where."""

    namespace: str = ""


class RulesReview(Api, frozen=True, kw_only=True):
    """SelfSubjectRulesReview."""

    metadata: ObjectMeta = ObjectMeta()
    spec: RulesReviewSpec = RulesReviewSpec()
