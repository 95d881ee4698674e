"""Webhooks that may change or refuse a write to the API.

In: -    Out: the structs.    Source: admissionregistration.k8s.io/v1.
Before: api/meta.py        After: apiserver/webhooks.py
"""

from __future__ import annotations

from collections.abc import Collection

from lateen.api.fields import Api, Informative
from lateen.api.meta import LabelSelector, ObjectMeta

ADMISSION = "admissionregistration.k8s.io"
_VERSION = f"{ADMISSION}/v1"


class WebhookService(Api, frozen=True, kw_only=True):
    """A Service whose pods answer."""

    namespace: str
    name: str
    path: str = ""
    port: int = 443


class WebhookClient(Api, frozen=True, kw_only=True):
    """Where it answers: a Service's pods, or a `url`, of which only this machine's loopback is called."""

    url: str = ""
    ca_bundle: str = ""
    service: WebhookService | None = None


class OperationRule(Api, frozen=True, kw_only=True):
    """Which writes it wants to see; `*` means all."""

    operations: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scope: str = "*"

    def covers(
        self,
        operation: str,
        group: str,
        versions: Collection[str],
        plural: str,
        *,
        subresource: str = "",
        namespaced: bool = True,
    ) -> bool:
        """Whether a write of a resource, in one of these versions, is among them.

        `*` means every resource, `*/*` their subresources as well, `pods/*` those of pods.
        """
        named = f"{plural}/{subresource}" if subresource else plural
        wild = {f"*/{subresource}", f"{plural}/*"} if subresource else {"*"}
        return (
            bool({"*", operation} & set(self.operations))
            and bool({"*", group} & set(self.api_groups))
            and bool({"*", *versions} & set(self.api_versions))
            and bool({"*/*", named, *wild} & set(self.resources))
            and self.scope in ("*", "Namespaced" if namespaced else "Cluster")
        )


class Named(Api, frozen=True, kw_only=True):
    """An expression in CEL with a name: a match condition, or a variable of a policy."""

    name: str
    expression: str


class Webhook(Api, frozen=True, kw_only=True):
    """One webhook; `timeout_seconds` from 1 to 30, `failure_policy` Fail or Ignore."""

    name: str
    client_config: WebhookClient
    rules: tuple[OperationRule, ...] = ()
    failure_policy: str = "Fail"
    timeout_seconds: int = 10
    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    side_effects: str = ""
    admission_review_versions: tuple[str, ...] = ()
    match_conditions: tuple[Named, ...] = ()
    match_policy: str = "Equivalent"
    reinvocation_policy: Informative = None


class MutatingWebhookConfiguration(Api, frozen=True, kw_only=True):
    """Webhooks that may change what is written."""

    api_version: str = _VERSION
    kind: str = "MutatingWebhookConfiguration"
    metadata: ObjectMeta
    webhooks: tuple[Webhook, ...] = ()


class ValidatingWebhookConfiguration(Api, frozen=True, kw_only=True):
    """Webhooks that may refuse what is written."""

    api_version: str = _VERSION
    kind: str = "ValidatingWebhookConfiguration"
    metadata: ObjectMeta
    webhooks: tuple[Webhook, ...] = ()
