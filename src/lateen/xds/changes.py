"""In which names two sets of resources differ, worked out once for all proxies that have both.

In: the resources of one type, before and now.    Out: names.
Before: envoy/resources.py                        After: xds/channel.py
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from lateen.envoy.resources import Resource, Stepped

_Set = Mapping[str, Resource]


class Changes:
    """Remembers the differences last asked for. The sets must not change, nor be held to forget them.

    They are told apart by identity, and kept here beside the answer: an id is another's once its owner
    is gone.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[int, int], tuple[_Set, _Set, frozenset[str]]] = OrderedDict()

    def between(self, before: _Set, now: _Set) -> frozenset[str]:
        """The names that only one of them has, or both in different versions."""
        if before is now:
            return frozenset()
        if isinstance(now, Stepped) and now.came_from(before):
            return now.changed
        key = (id(before), id(now))
        if (known := self._known.get(key)) is None:
            known = self._known[key] = (before, now, _differing(before, now))
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        return known[2]

    def forget(self) -> None:
        """Nobody will ask for these any more: all have what there is."""
        self._known.clear()


def _differing(before: _Set, now: _Set) -> frozenset[str]:
    changed = {name for name, resource in now.items() if before.get(name) is not resource}
    return frozenset(
        name
        for name in (*changed, *(before.keys() - now.keys()))
        if name not in before or name not in now or before[name].version != now[name].version
    )
