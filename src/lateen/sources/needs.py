"""Read `needs` of `lateen.yaml`: what each workload calls.

In: the mapping as written.     Out: Needs; what is wrong, by path.
Before: world/needs.py          After: sources/project.py

    needs:
      shop/web: [cart, info/details, "*.example.com"]    # NAMESPACE/WORKLOAD
      batch/*: []                                        # the other workloads of a namespace

A name alone is a service of the workload's own namespace, and one with a dot a host of any; `NAMESPACE/HOST`
is read as in a Sidecar's `egress.hosts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lateen.api.names import label_fault
from lateen.api.paths import child, element
from lateen.base.origin import Origin
from lateen.world.needs import OTHERS, Need

Tell = Callable[[str, str], None]


def read_needs(
    entries: Mapping[str, Any], origin: Callable[[str], Origin], tell: Tell
) -> Iterator[tuple[tuple[str, str], Need]]:
    """Each workload's; one with a fault is left out, so that its proxies are told of everything."""
    for key, value in entries.items():
        path = child("needs", key)
        namespace, slash, workload = key.partition("/")
        if not slash or not workload or label_fault(namespace) or "/" in workload:
            tell(path, f'wanted NAMESPACE/WORKLOAD or NAMESPACE/{OTHERS}, got "{key}"')
            continue
        if not isinstance(value, list):
            tell(path, "wanted a list of hosts, such as [cart, info/details]")
            continue
        hosts = [_host(each, namespace) for each in value]
        for index, (host, written) in enumerate(zip(hosts, value, strict=True)):
            if host is None:
                tell(element(path, index), f"wanted HOST or NAMESPACE/HOST, got {written!r}")
        found = tuple(sorted(host for host in hosts if host))
        if len(found) == len(hosts):
            yield (namespace, workload), Need(hosts=found, origin=origin(path))


def _host(written: object, namespace: str) -> tuple[str, str] | None:
    if not isinstance(written, str) or not written:
        return None
    where, slash, name = written.rpartition("/")
    if not slash:
        return ("*" if "." in name else namespace, name)
    if not name or "/" in where or (where not in ("*", ".") and label_fault(where)):
        return None
    return (namespace if where == "." else where, name)
