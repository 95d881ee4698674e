"""Roles, bindings and accounts for tests of authorization."""

from __future__ import annotations

from typing import Any

from lateen.api.rbac import RBAC
from lateen.apiserver.accounttokens import AccountKey, Claims
from lateen.base.clock import Clock, SystemClock
from lateen.base.origin import ObjectKey
from lateen.store.interface import Store

Tree = dict[str, Any]


def account(name: str, namespace: str = "default") -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
    }


def role(name: str, *rules: Tree, namespace: str = "default") -> Tree:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    kind = "Role" if namespace else "ClusterRole"
    head = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata}
    return head | {"rules": list(rules)}


def binding(
    name: str, ref: str, *subjects: Tree, namespace: str = "default", cluster_role: bool = False
) -> Tree:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    kind = "ClusterRole" if cluster_role or not namespace else "Role"
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "subjects": list(subjects),
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": ref},
    }


def of_account(name: str, namespace: str = "default") -> Tree:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def of_user(name: str) -> Tree:
    return {"kind": "User", "apiGroup": RBAC, "name": name}


def token_for(
    store: Store, key: AccountKey, name: str, namespace: str = "default", **more: Any
) -> str:
    """A token of the account, an hour long unless `seconds` says else."""
    clock: Clock = more.pop("clock", SystemClock())
    seconds: int = more.pop("seconds", 3600)
    found = store.get(ObjectKey(group="", kind="ServiceAccount", namespace=namespace, name=name))
    assert found is not None
    claims = Claims(namespace=namespace, account=name, account_uid=found.meta.uid, **more)
    return key.mint(claims, seconds=seconds, clock=clock)
