"""Guess who calls whom: from the hosts that pods are given in their settings.

In: Survey.                       Out: calls of pods to Services.
Before: check/advice/survey.py    After: check/advice/chains.py, check/advice/mtls.py

A host counts when it stands in a URL, before a port, or as the whole of a variable, an argument or a line of a ConfigMap
that a pod is given, and is the name of a Service there. What programs know by heart is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from lateen.api.config import ConfigMap
from lateen.api.service import Service
from lateen.check.advice.survey import Pods, Survey
from lateen.check.inventory import Inventory, full_host

_NAME = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?"
_IN_URL = re.compile(rf"\w://(?:[^/@\s]*@)?({_NAME})")
_BEFORE_PORT = re.compile(rf"(?<![\w.-])({_NAME}):\d+")
_ALONE = re.compile(_NAME)


def calls_of(pods: Pods, survey: Survey) -> frozenset[str]:
    """The full names of the Services that the pods are told of, other than their own."""
    maps = {
        obj.key.name: config
        for obj, config in survey.of(ConfigMap)
        if obj.key.namespace == pods.namespace
    }
    found: set[str] = set()
    for text in _texts(pods, maps):
        for name in _names(text):
            full = _service(name, pods.namespace, survey.inventory)
            if full:
                found.add(full)
    return frozenset(full for full in found if not _own(full, pods, survey))


def _texts(pods: Pods, maps: Mapping[str, ConfigMap]) -> Iterator[str]:
    for container in pods.spec.containers:
        yield from (variable.value for variable in container.env if variable.value)
        yield from (*container.command, *container.args)
        for source in container.env_from:
            if (ref := source.config_map_ref) and ref.name in maps:
                yield from maps[ref.name].data.values()
        for variable in container.env:
            key = variable.value_from.config_map_key_ref if variable.value_from else None
            if key and key.name in maps:
                yield maps[key.name].data.get(key.key, "")
    for volume in pods.spec.volumes:
        if volume.config_map and volume.config_map.name in maps:
            for text in maps[volume.config_map.name].data.values():
                yield from text.splitlines()


@lru_cache(maxsize=4096)
def _names(text: str) -> frozenset[str]:
    found = {*_IN_URL.findall(text), *_BEFORE_PORT.findall(text)}
    whole = text.strip()
    return frozenset(found | ({whole} if _ALONE.fullmatch(whole) else set()))


def _service(name: str, namespace: str, inventory: Inventory) -> str:
    """`web`, `web.shop`, `web.shop.svc` or the full name, as one that is there; else ""."""
    parts = name.split(".")
    tries = [full_host(name, namespace)]
    if len(parts) == 2 or (len(parts) == 3 and parts[2] == "svc"):
        tries.append(full_host(parts[0], parts[1]))
    return next(
        (full for full in tries if (p := inventory.hosts.get(full)) and p.service is not None), ""
    )


def _own(full: str, pods: Pods, survey: Survey) -> bool:
    found = survey.inventory.hosts[full]
    service: Service | None = found.service
    return service is not None and any(
        each is pods for each in survey.behind(service, found.namespace)
    )
