"""`lateen translate`: any stage of any files, for one proxy.

In: paths, the proxy meant.        Out: its plan, or what its Envoy would be sent, as YAML or JSON.
Before: stages/drafts.py           After: cli/commands/knowing.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from lateen.api.decode import decode_tree
from lateen.api.objects import Obj
from lateen.base.errors import LateenError, NotFound
from lateen.cli.reading import read_draft
from lateen.ir.plain import plain
from lateen.ir.plan import ProxyPlan
from lateen.stages.drafts import Draft, named_workload

_DESCRIBED = "described"  # the name of the pod that a described proxy belongs to


class Description(Struct, frozen=True, kw_only=True):
    """A proxy that no file has a workload for: what would select it, and where it would stand."""

    labels: Mapping[str, str]
    ip: str = ""
    namespace: str = "default"
    gateway: bool = False
    account: str = "default"


class Translation(Struct, frozen=True, kw_only=True):
    """What is asked for: one proxy (`KIND/NAME[.NAMESPACE]` or a description), which stage, which parts."""

    paths: tuple[str, ...]
    word: str = ""
    described: Description | None = None
    namespace: str = "default"
    envoy: bool = False
    parts: tuple[str, ...] = ()
    as_json: bool = False


def run_translate(asked: Translation) -> int:
    """Print the stage; exit status 1 if an object had to be left out for a fault."""
    further = (described_pod(asked.described),) if asked.described else ()
    draft = read_draft(asked.paths, namespace=asked.namespace, further=further)
    plan = _meant(draft, asked)
    tree: Any
    if asked.envoy:
        from lateen.envoy.dump import PARTS, config_dump

        tree = config_dump(draft.resources(plan), _known(asked.parts, PARTS))
    else:
        tree = plain(plan)
        if asked.parts:
            tree = {
                part: tree.get(part, [])
                for part in _known(asked.parts, ProxyPlan.__struct_fields__)
            }
    _print(tree, as_json=asked.as_json)
    return 1 if draft.refused else 0


def described_pod(about: Description) -> Obj:
    """The pod a described proxy would belong to; raises LateenError for a label or address that cannot be."""
    gateway = {"inject.istio.io/templates": "gateway"} if about.gateway else {}
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": _DESCRIBED,
            "namespace": about.namespace,
            "labels": dict(about.labels),
            "annotations": gateway,
        },
        "spec": {
            "serviceAccountName": about.account,
            "containers": [{"name": "app", "image": "auto" if about.gateway else "app"}],
        },
        "status": {"phase": "Running", **({"podIP": about.ip} if about.ip else {})},
    }
    decoded = decode_tree(tree, places=None)
    if not decoded.objects:
        raise LateenError("; ".join(str(problem) for problem in decoded.problems))
    return decoded.objects[0]


def _meant(draft: Draft, asked: Translation) -> ProxyPlan:
    if asked.described:
        workload = draft.world.workloads[asked.described.namespace, _DESCRIBED]
    else:
        workload = named_workload(draft.world, asked.word)
    plan = draft.plan(workload)
    if plan is None:
        raise NotFound(f"{workload.namespace}/{workload.name} has no proxy: it is not injected")
    return plan


def _known(parts: Sequence[str], all_parts: Mapping[str, object] | Sequence[str]) -> Sequence[str]:
    unknown = [part for part in parts if part not in all_parts]
    if unknown:
        raise LateenError(f"no part {unknown[0]}: there are {', '.join(all_parts)}")
    return parts or tuple(all_parts)


def _print(tree: Any, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(tree, indent=2, ensure_ascii=False))
        return
    import yaml

    yaml.dump(
        tree,
        sys.stdout,
        Dumper=_dumper(),
        sort_keys=False,
        allow_unicode=True,
        width=110,
    )


def _dumper() -> Any:
    import yaml

    class Plain(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """No anchors: parts that are equal are written out each time."""

        def ignore_aliases(self, _data: Any) -> bool:
            return True

    return Plain
