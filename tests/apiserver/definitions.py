"""A CustomResourceDefinition and objects of its kind, for tests."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]

SCHEMA: Tree = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["schedule"],
            "x-kubernetes-validations": [
                {"rule": "self.minReplicas <= self.replicas", "message": "too few replicas"},
                {"rule": "self.schedule == oldSelf.schedule", "message": "schedule is immutable"},
            ],
            "properties": {
                "schedule": {"type": "string", "pattern": r"^\S+( \S+){4}$"},
                "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
                "minReplicas": {"type": "integer", "default": 0},
                "port": {"x-kubernetes-int-or-string": True},
                "mode": {"type": "string", "enum": ["fast", "slow"]},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {
                    "type": "array",
                    "x-kubernetes-list-type": "set",
                    "items": {"type": "string"},
                },
                "weights": {"type": "object", "additionalProperties": {"type": "integer"}},
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "selector": {"type": "string"},
                "conditions": {
                    "type": "array",
                    "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
        },
    },
}


def definition(**changes: Any) -> Tree:
    """CronTab of example.com, in v1 (stored) and v1beta1; `changes` replace fields of the spec."""
    version: Tree = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Schedule", "type": "string", "jsonPath": ".spec.schedule"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {
                "name": "Ready",
                "type": "string",
                "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
            },
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    older = version | {"name": "v1beta1", "storage": False, "deprecated": True}
    spec: Tree = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {
            "plural": "crontabs",
            "singular": "crontab",
            "kind": "CronTab",
            "shortNames": ["ct"],
            "categories": ["all"],
        },
        "versions": [version, older],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "crontabs.example.com"},
        "spec": spec | changes,
    }


def crontab(name: str = "nightly", version: str = "v1", **spec: Any) -> Tree:
    return {
        "apiVersion": f"example.com/{version}",
        "kind": "CronTab",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"schedule": "0 3 * * *"} | spec,
    }
