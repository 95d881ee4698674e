"""Provide the IngressClass of Istio's controller, which Ingresses without a class are of.

In: IngressClasses.    Out: actions; whether some Ingress is ours to serve.
Before: api/ingress.py        After: cluster/controllers.py
"""

from __future__ import annotations

from collections.abc import Sequence

from lateen.api.ingress import CLASS, CONTROLLER, IS_DEFAULT
from lateen.api.meshconfig import MeshConfig
from lateen.api.objects import Obj
from lateen.cluster.actions import PROVIDED, Action, PutObject
from lateen.world.ingresses import OWN_GATEWAY, gateway_labels, served


def provided_ingress_classes(classes: Sequence[Obj]) -> tuple[Action, ...]:
    """The class `istio`, unless there is one of that name; the default, unless another is."""
    if any(c.key.name == CLASS for c in classes):
        return ()
    taken = any(c.meta.annotations.get(IS_DEFAULT) == "true" for c in classes)
    tree = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {
            "name": CLASS,
            **({} if taken else {"annotations": {IS_DEFAULT: "true"}}),
        },
        "spec": {"controller": CONTROLLER},
    }
    return (PutObject(raw=tree, source=PROVIDED),)


def are_served(ingresses: Sequence[Obj], classes: Sequence[Obj], mesh: MeshConfig) -> bool:
    """Whether some Ingress is for lateen's own ingress gateway."""
    return gateway_labels(mesh) == OWN_GATEWAY and bool(served(ingresses, classes, mesh))
