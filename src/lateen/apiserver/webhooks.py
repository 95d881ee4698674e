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
from typing import Any

import msgspec
from aiohttp import web
from msgspec.structs import replace

from lateen.api.cel import BadRule
from lateen.api.cellibrary import authorizing
from lateen.api.webhooks import (
    ADMISSION,
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
    Webhook,
)
from lateen.apiserver.deps import Objects, OpenPodStream
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.hookcalls import HookFailed, ask_service, ask_url, pod_for
from lateen.apiserver.patching import json_patch
from lateen.apiserver.serializing import to_json
from lateen.apiserver.writes import Write, judging_of, shown
from lateen.base.origin import ObjectKey
from lateen.check.policies import conditions_hold
from lateen.check.webhooks import HOOK_VARIABLES

MUTATING, VALIDATING = "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"
_SECONDS = (1, 30)
POD_STREAMS: web.AppKey[OpenPodStream] = web.AppKey("pod streams")  # of the application


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
                if _wants(store, webhook, write) and _meets(store, webhook, write):
                    yield webhook


def _wants(store: Objects, webhook: Webhook, write: Write) -> bool:
    target = write.target
    versions = target.kind.versions if webhook.match_policy == "Equivalent" else (target.version,)
    if not any(
        rule.covers(
            write.operation, target.kind.group, versions, target.kind.plural,
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


def _meets(store: Objects, webhook: Webhook, write: Write) -> bool:
    """Whether its match conditions hold; one that fails is treated as the webhook itself failing."""
    if not webhook.match_conditions:
        return True
    judging = judging_of(store, write)
    try:
        with authorizing(judging.authorize):
            return conditions_hold(webhook.match_conditions, HOOK_VARIABLES, judging.data())
    except BadRule as fault:
        if webhook.failure_policy == "Ignore":
            return False
        words = f'Internal error occurred: webhook "{webhook.name}": match conditions: {fault}'
        raise ApiFault(500, words) from None


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
    body = to_json(_question(store, write, uid))
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


def _question(store: Objects, write: Write, uid: str) -> dict[str, Any]:
    target = write.target
    told = judging_of(store, write).request()
    objects = {
        "object": shown(write.raw, target),
        "oldObject": shown(write.old.raw, target) if write.old else None,
    }
    request = {"uid": uid, **told, **objects}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


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
