"""Set aside the object for which Envoy refuses a resource, and take it back when it is changed.

In: what proxies acknowledge and refuse, revisions of objects.    Out: the keys to leave out.
Before: xds/ledger.py, xds/quarantine.py      After: stages/planning.py

The unit Envoy refuses is a whole route table or listener; what was good in it must go live all the
same, at proxies that start later too. So the objects to blame are left out of the next plan.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level, Problem
from lateen.envoy.resources import Resource, Resources, ResourceType
from lateen.xds.events import Acked, Event, Kept, Nacked
from lateen.xds.quarantine import blame, revisions_of

log = logging.getLogger(__name__)
REFUSED_BY_ENVOY = "LAT0100"
_SETTINGS = ("Gateway", "VirtualService", "DestinationRule", "ServiceEntry", "PeerAuthentication",
             "AuthorizationPolicy")  # fmt: skip


_Made = tuple[ResourceType, str, str]  # type, name, version
_Where = tuple[str, ResourceType, str]  # proxy, type, name


@dataclass(kw_only=True)
class Quarantine:
    """The objects set aside, each at the revision that was refused, with Envoy's words.

    Which revisions went into a resource is written down when it is made, not when it is answered:
    by then an object may have been changed again.
    """

    changed: Callable[[], None]
    revisions: Callable[[], Mapping[ObjectKey, int]]
    _made: dict[_Made, Mapping[ObjectKey, int]] = field(default_factory=dict)
    _good: dict[_Where, Mapping[ObjectKey, int]] = field(default_factory=dict)
    _set_aside: dict[ObjectKey, tuple[int, str]] = field(default_factory=dict)

    def made(self, resources: Iterable[Resources]) -> None:
        """Write down from which revisions the resources of a round were made."""
        now = self.revisions()
        made: dict[_Made, Mapping[ObjectKey, int]] = {}
        for some in resources:
            for kind, by_name in some.items():
                for name, resource in by_name.items():
                    key = (kind, name, resource.version)
                    if key not in made:
                        made[key] = self._made.get(key) or revisions_of(resource.origins, now)
        self._made = made

    def hear(self, event: Event) -> None:
        """Learn from an ACK what is good, from a NACK what is not."""
        if isinstance(event, Acked | Kept):
            for resource in event.resources:
                made = self._made.get((event.type, resource.name, resource.version))
                if made is not None:
                    self._good[event.proxy, event.type, resource.name] = made
        elif isinstance(event, Nacked):
            self._refuse(event)

    def _refuse(self, event: Nacked) -> None:
        for resource in event.resources:
            self._blame(event, resource)
        self.changed()

    def _blame(self, event: Nacked, resource: Resource) -> None:
        made = self._made.get((event.type, resource.name, resource.version), {})
        settings = {key: at for key, at in made.items() if key.kind in _SETTINGS}
        good = self._good.get((event.proxy, event.type, resource.name))
        for key in blame(resource.origins, now=settings, good=good):
            if self._set_aside.get(key, (0, ""))[0] != settings[key]:
                log.warning("%s set aside: %s", key, event.message)
                self._set_aside[key] = (settings[key], f"{resource.name}: {event.message}")

    def keys(self) -> frozenset[ObjectKey]:
        """What is to be left out now; an object changed or deleted since is tried again."""
        now = self.revisions()
        for key, (revision, _) in tuple(self._set_aside.items()):
            if now.get(key) != revision:
                del self._set_aside[key]
        return frozenset(self._set_aside)

    def problems(self, origin_of: Callable[[ObjectKey], Origin]) -> tuple[Problem, ...]:
        """One problem for each object set aside."""
        return tuple(
            Problem(
                code=REFUSED_BY_ENVOY,
                level=Level.ERROR,
                origin=origin_of(key),
                message=f"refused by Envoy and left out, everything else is live: {words}",
            )
            for key, (_, words) in sorted(self._set_aside.items())
        )
