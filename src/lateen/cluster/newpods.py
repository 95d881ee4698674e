"""Let the pods that controllers make into their namespaces, or tell their owner why not.

In: actions, the store.    Out: actions to carry out.
Before: check/newcomers.py, check/policies.py        After: cluster/performing.py

A pod of a user's own passes the same check at the API. One that is refused, or whose name another pod has,
is wanted again at the next look, so that it comes when a quota has room again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from lateen.api.defaults import with_defaults
from lateen.api.kinds import kind_of
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.check.accounts import with_account
from lateen.check.newcomers import welcome
from lateen.check.policies import Judging, judged
from lateen.cluster.actions import CONTROLLERS, Action, PutObject, Tell
from lateen.store.core import key_of
from lateen.store.interface import Store

_MADE = "SuccessfulCreate"
_CONTROLLERS_GROUPS = [
    "system:serviceaccounts",
    "system:serviceaccounts:kube-system",
    "system:authenticated",
]


def let_in(store: Store, actions: Iterable[Action]) -> Iterator[Action]:
    """The actions, new pods with their namespace's defaults; a refused pod becomes a word on it.

    Taken one by one, so that each pod is counted before the next is judged.
    """
    refusal = ""
    for action in actions:
        match action:
            case PutObject(raw=raw, source=source) if source == CONTROLLERS and _is_pod(raw):
                key = key_of(raw)
                there = store.get(key)
                if there is not None and not _is_same_owners(there, raw):
                    refusal = f'pods "{key.name}" already exists'
                    continue
                if there is not None:
                    yield action
                    continue
                newcomer = welcome(store, key, raw)
                why = newcomer.refusal or _denied(store, key, newcomer.raw)
                refusal = _forbidden(raw, why) if why else ""
                if not refusal:
                    whole = with_defaults("", "Pod", newcomer.raw)
                    yield replace(action, raw=with_account(whole, key, store.get))
            case Tell(reason=reason) if refusal and reason == _MADE:
                yield _not_made(action, refusal)
                refusal = ""
            case _:
                yield action


def _denied(store: Store, key: ObjectKey, raw: Mapping[str, Any]) -> str:
    """What admission policies say of a new pod, "" if it may come."""
    kind = kind_of("", "Pod")
    if kind is None:
        return ""
    owners = raw["metadata"].get("ownerReferences") or ()
    maker = next((str(o["kind"]).lower() for o in owners if o.get("controller")), "pod")
    write = Judging(
        operation="CREATE",
        kind=kind,
        version="v1",
        name=key.name,
        namespace=key.namespace,
        object=raw,
        user={
            "username": f"system:serviceaccount:kube-system:{maker}-controller",
            "groups": _CONTROLLERS_GROUPS,
        },
    )
    return judged(store, write).refusal


def _is_pod(raw: object) -> bool:
    return isinstance(raw, dict) and (raw.get("apiVersion"), raw.get("kind")) == ("v1", "Pod")


def _not_made(told: Tell, refusal: str) -> Tell:
    words = f"Error creating: {refusal}"
    return replace(told, reason="FailedCreate", message=words, warning=True, once=True)


def _forbidden(raw: Mapping[str, Any], why: str) -> str:
    return f'pods "{raw["metadata"].get("generateName", "")}" is forbidden: {why}'


def _is_same_owners(there: Obj, raw: Mapping[str, Any]) -> bool:
    wanted = [owner["uid"] for owner in raw["metadata"].get("ownerReferences") or ()]
    return [owner.uid for owner in there.meta.owner_references] == wanted
