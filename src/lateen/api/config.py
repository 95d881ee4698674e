"""Namespace, ServiceAccount, ConfigMap, Secret.

In: -    Out: the structs.    Source: core/v1.
Before: api/meta.py        After: cluster/, node/, world/
"""

from __future__ import annotations

import base64

from lateen.api.fields import Api, Informative
from lateen.api.meta import ObjectMeta


class Namespace(Api, frozen=True, kw_only=True):
    """core/v1 Namespace; label `istio-injection: enabled` gives its pods a proxy."""

    api_version: str = "v1"
    kind: str = "Namespace"
    metadata: ObjectMeta
    spec: Informative = None
    status: Informative = None


class ServiceAccount(Api, frozen=True, kw_only=True):
    """core/v1 ServiceAccount: the identity `spiffe://TRUST-DOMAIN/ns/NS/sa/NAME` of its pods."""

    api_version: str = "v1"
    kind: str = "ServiceAccount"
    metadata: ObjectMeta
    secrets: Informative = None
    image_pull_secrets: Informative = None
    automount_service_account_token: Informative = None


class ConfigMap(Api, frozen=True, kw_only=True):
    """core/v1 ConfigMap; `binary_data` values are base64."""

    api_version: str = "v1"
    kind: str = "ConfigMap"
    metadata: ObjectMeta
    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    immutable: Informative = None

    def content(self) -> dict[str, bytes]:
        """Every key's bytes."""
        text = {k: v.encode() for k, v in self.data.items()}
        return text | {k: base64.b64decode(v) for k, v in self.binary_data.items()}


class Secret(Api, frozen=True, kw_only=True):
    """core/v1 Secret; `data` values are base64, `string_data` is plain and wins."""

    api_version: str = "v1"
    kind: str = "Secret"
    metadata: ObjectMeta
    data: dict[str, str] = {}
    string_data: dict[str, str] = {}
    type: str = "Opaque"
    immutable: Informative = None

    def content(self) -> dict[str, bytes]:
        """Every key's bytes."""
        decoded = {k: base64.b64decode(v) for k, v in self.data.items()}
        return decoded | {k: v.encode() for k, v in self.string_data.items()}
