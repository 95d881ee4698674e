"""Ask the webhooks that want to see a write: first those that change it, then those that judge it.

In: a write, the webhook configurations in the store.    Out: the tree, perhaps changed; ApiFault.
Before: apiserver/hookcalls.py, apiserver/patching.py        After: apiserver/saving.py

Each is called by https, with the configuration's own CA, within its seconds. What fails, refuses the write or
(failurePolicy Ignore) is passed over.

Source: Kubernetes "Dynamic Admission Control", admission.k8s.io/v1.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from aiohttp import web

from lateen.api.objects import Obj
from lateen.api.webhooks import (
    ADMISSION,
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
    Webhook,
)
from lateen.apiserver.deps import Objects, OpenPodStream
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.hookcalls import HookFailed, ask_service, ask_url, pod_for
from lateen.apiserver.identity import User
from lateen.apiserver.patching import json_patch
from lateen.apiserver.serializing import to_json
from lateen.apiserver.targets import Target
from lateen.base.origin import ObjectKey
from lateen.check.policies import Judging

MUTATING, VALIDATING = "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"
_SECONDS = (1, 30)
POD_STREAMS: web.AppKey[OpenPodStream] = web.AppKey("pod streams")  # of the application


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write: `operation` is CREATE, UPDATE or DELETE; `raw` is None for a deletion."""

    operation: str
    user: User
    target: Target
    name: str
    raw: Mapping[str, Any] | None
    old: Obj | None = None
    dry: bool = False
    open_stream: OpenPodStream  # the way to webhooks that run in pods


class _Answer(msgspec.Struct, rename="camel"):
    uid: str
    allowed: bool
    patch: str = ""
    patch_type: str = ""
    warnings: list[str] = []
    status: dict[str, Any] = {}


class _Review(msgspec.Struct):
    response: _Answer


async def mutated(store: Objects, write: Write) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    """The tree after every webhook that changes, and what they warn of; raises ApiFault."""
    warnings: list[str] = []
    for webhook in _wanting(store, write, MUTATING):
        answer = await _asked(store, webhook, write)
        if answer is None:
            continue
        warnings += answer.warnings
        if answer.patch and write.raw is not None:
            write = _patched(webhook, write, answer)
    return write.raw, tuple(warnings)


async def validated(store: Objects, write: Write) -> tuple[str, ...]:
    """What the webhooks that judge warn of; raises ApiFault if one refuses."""
    hooks = list(_wanting(store, write, VALIDATING))
    answers = await asyncio.gather(*(_asked(store, webhook, write) for webhook in hooks))
    return tuple(warning for answer in answers if answer for warning in answer.warnings)


def _wanting(store: Objects, write: Write, kind: str) -> Iterator[Webhook]:
    """The webhooks to ask, in order of their configurations' names; never about themselves."""
    if write.target.kind.group == ADMISSION:
        return
    for obj in store.list(group=ADMISSION, kind=kind):
        if isinstance(obj.typed, MutatingWebhookConfiguration | ValidatingWebhookConfiguration):
            for webhook in obj.typed.webhooks:
                if _wants(store, webhook, write):
                    yield webhook


def _wants(store: Objects, webhook: Webhook, write: Write) -> bool:
    target = write.target
    if not any(
        rule.covers(
            write.operation, target.kind.group, (target.version,), target.kind.plural,
            subresource=target.subresource, namespaced=target.kind.namespaced,
        )
        for rule in webhook.rules
    ):  # fmt: skip
        return False
    trees = [tree for tree in (write.raw, write.old.raw if write.old else None) if tree]
    labels = [(tree.get("metadata") or {}).get("labels") or {} for tree in trees]
    if not any(webhook.object_selector.matches(each) for each in labels):
        return False
    if not write.target.namespace:
        return True
    key = ObjectKey(group="", kind="Namespace", namespace="", name=write.target.namespace)
    inside = store.get(key)
    return inside is None or webhook.namespace_selector.matches(inside.meta.labels)


async def _asked(store: Objects, webhook: Webhook, write: Write) -> _Answer | None:
    """The webhook's answer; None if it failed and may; raises ApiFault if it refused or must not."""
    try:
        answer = await _call(store, webhook, write)
    except HookFailed as fault:
        if webhook.failure_policy == "Ignore":
            return None
        words = f'Internal error occurred: failed calling webhook "{webhook.name}": {fault}'
        raise ApiFault(500, words) from None
    if answer.allowed:
        return answer
    code = answer.status.get("code")
    words = str(answer.status.get("message") or "") or "without explanation"
    raise ApiFault(
        code if isinstance(code, int) and 400 <= code < 600 else 403,
        f'admission webhook "{webhook.name}" denied the request'
        f"{': ' if words != 'without explanation' else ' '}{words}",
    )


async def _call(store: Objects, webhook: Webhook, write: Write) -> _Answer:
    client, uid = webhook.client_config, str(uuid.uuid4())
    low, high = _SECONDS
    seconds = min(max(webhook.timeout_seconds, low), high)
    body = to_json(_question(write, uid))
    if client.service is not None:
        pod = pod_for(client.service, store)
        trust = _trust(webhook)
        content = await ask_service(client.service, pod, body, trust, seconds, write.open_stream)
    else:
        content = await ask_url(client.url, body, _trust(webhook), seconds)
    try:
        answer = msgspec.json.decode(content, type=_Review).response
    except ValueError as fault:
        raise HookFailed(str(fault)) from None
    if answer.uid != uid:
        raise HookFailed(f"expected response.uid={uid!r}, got {answer.uid!r}")
    return answer


def _trust(webhook: Webhook) -> ssl.SSLContext:
    bundle = webhook.client_config.ca_bundle
    try:
        text = base64.b64decode(bundle, validate=True).decode() if bundle else None
        return ssl.create_default_context(cadata=text)
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError):
        raise HookFailed("its caBundle is not PEM in base64") from None


def _question(write: Write, uid: str) -> dict[str, Any]:
    target = write.target
    told = Judging(
        operation=write.operation,
        kind=target.kind,
        version=target.version,
        name=write.name,
        namespace=target.namespace,
        subresource=target.subresource,
        user=write.user.tree(),
        dry=write.dry,
    ).request()
    objects = {
        "object": shown(write.raw, target),
        "oldObject": shown(write.old.raw, target) if write.old else None,
    }
    request = {"uid": uid, **told, **objects}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def shown(tree: Mapping[str, Any] | None, target: Target) -> dict[str, Any] | None:
    """A tree in the version its writer speaks."""
    return None if tree is None else {**tree, "apiVersion": target.api_version}


def _patched(webhook: Webhook, write: Write, answer: _Answer) -> Write:
    try:
        patch = msgspec.json.decode(base64.b64decode(answer.patch, validate=True))
    except (binascii.Error, msgspec.DecodeError):
        patch = None
    if answer.patch_type != "JSONPatch" or not isinstance(patch, list):
        raise ApiFault(
            500,
            f'Internal error occurred: webhook "{webhook.name}" answered with a patch that is no '
            "JSONPatch",
        )
    return replace(write, raw=json_patch(shown(write.raw, write.target) or {}, patch))
