"""Discovery in one answer, for clients that ask for it so.

In: the plain discovery documents, an Accept header.    Out: an APIGroupDiscoveryList, or None.
Before: apiserver/discovery.py        After: apiserver/plainroutes.py

Source: Kubernetes API concepts, "Aggregated discovery"; apidiscovery.k8s.io.
"""

from __future__ import annotations

from typing import Any

from lateen.apiserver.discovery import groups_known, resource_list, versions_of

_GROUP = "apidiscovery.k8s.io"
_KIND = "APIGroupDiscoveryList"
_VERSIONS = ("v2", "v2beta1")


def aggregated_wanted(accept: str) -> str:
    """The first version of the aggregated form the header names before plain JSON; "" for none."""
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        asked = dict(p.partition("=")[::2] for p in parameters)
        if media != "application/json":
            continue
        if "as" not in asked:
            return ""
        if (asked["as"], asked.get("g")) == (_KIND, _GROUP) and asked.get("v") in _VERSIONS:
            return asked["v"]
    return ""


def aggregated_type(version: str) -> str:
    """The Content-Type of the answer, by which clients know its form."""
    return f"application/json;g={_GROUP};v={version};as={_KIND}"


def aggregated(version: str, *, core: bool) -> dict[str, Any]:
    """Every group with its versions and resources; `core` for `/api`, else for `/apis`."""
    groups = ("",) if core else groups_known()
    return {
        "kind": _KIND,
        "apiVersion": f"{_GROUP}/{version}",
        "metadata": {},
        "items": [_group(name) for name in groups],
    }


def _group(name: str) -> dict[str, Any]:
    versions = versions_of(name) or ("v1",)
    return {
        "metadata": {"name": name, "creationTimestamp": None},
        "versions": [
            {"version": version, "freshness": "Current", "resources": _resources(name, version)}
            for version in versions
        ],
    }


def _resources(group: str, version: str) -> list[dict[str, Any]]:
    listed = resource_list(group, version) or {"resources": []}
    made: dict[str, dict[str, Any]] = {}
    for entry in listed["resources"]:
        name, _, below = entry["name"].partition("/")
        kind = {
            "group": entry.get("group", group),
            "version": entry.get("version", version),
            "kind": entry["kind"],
        }
        if not below:
            made[name] = {
                "resource": name,
                "responseKind": kind,
                "scope": "Namespaced" if entry["namespaced"] else "Cluster",
                "singularResource": entry["singularName"],
                "verbs": entry["verbs"],
            } | {key: entry[key] for key in ("shortNames", "categories") if key in entry}
        elif name in made:
            subresource = {"subresource": below, "responseKind": kind, "verbs": entry["verbs"]}
            made[name].setdefault("subresources", []).append(subresource)
    return list(made.values())
