"""Run the controllers that read something that has changed.

In: a store and its changes.    Out: the store, brought nearer to what it wants.
Before: cluster/controllers.py, cluster/performing.py        After: cluster/waking.py, cluster/pretending.py

Each controller is a pure step over values. Rounds of them are run until none wants anything more; one
that has wanted nothing is not asked again before one of the objects it looked at is another.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.cluster.actions import Action, LookAgain
from lateen.cluster.applying import apply_later
from lateen.cluster.controllers import CONTROLLERS, Inputs, PerObject, Whole
from lateen.cluster.deletion import finish_deletion, is_released
from lateen.cluster.nodes import Machine, this_machine
from lateen.cluster.observing import Observed
from lateen.cluster.performing import Changed, perform
from lateen.store.interface import Store

log = logging.getLogger(__name__)
_MOST_ROUNDS = 100


class _Rest(Struct, frozen=True, kw_only=True):
    """What a controller had looked at when it wanted nothing, and when it wants to look again."""

    subject: Obj
    inputs: Inputs
    again: datetime | None

    def holds(self, subject: Obj, inputs: Inputs, now: datetime) -> bool:
        due = self.again is not None and self.again <= now
        return not due and self.subject is subject and _same(self.inputs, inputs)

    def wants(self, now: datetime) -> tuple[Action, ...]:
        if self.again is None:
            return ()
        return (LookAgain(after=(self.again - now).total_seconds()),)


@dataclass(kw_only=True)
class Controllers:
    """The controllers over one store, and what each object's inputs were when it was last at rest."""

    store: Store
    clock: Clock
    volumes: str = ""  # the folder in which folders for claims are made
    authority: str = ""  # PEM by which pods know the API; "": pods have none
    machine: Machine = field(default_factory=this_machine)
    _observed: Observed = field(init=False)
    _rest: dict[tuple[int, ObjectKey], _Rest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._observed = Observed(self.store, self.machine, self.volumes, self.authority)

    def settle(self, changed: Changed | None = None) -> float | None:
        """Run rounds until no controller wants anything; None as `changed` means: look at all.

        The seconds after which to look again although nothing will have changed, or None.
        """
        due: list[float] = []
        if changed is None:
            changed = self._everything()
        for _ in range(_MOST_ROUNDS):
            if changed.released and finish_deletion(self.store, changed.released):
                changed |= Changed(deleted=True)
            if changed.deleted:
                self._forget_deleted()
                changed |= apply_later(self.store, self.clock)
            changed, waits = self._round(changed)
            due += waits
            if not changed:
                return min(due, default=None)
        log.error("the controllers do not come to rest: %s", sorted(changed.places))
        return min(due, default=None)

    def _everything(self) -> Changed:
        objects = self.store.list()
        return Changed(
            places=frozenset(
                {("Namespace", ""), *((o.key.kind, o.key.namespace) for o in objects)}
            ),
            deleted=True,
            released=frozenset(o.key for o in objects if is_released(o)),
        )

    def _forget_deleted(self) -> None:
        gone = [rest for rest in self._rest if self.store.get(rest[1]) is None]
        for rest in gone:
            del self._rest[rest]

    def _round(self, changed: Changed) -> tuple[Changed, list[float]]:
        done = Changed()
        waits: list[float] = []
        now = self.clock.now()
        for number, controller in enumerate(CONTROLLERS):
            actions = self._wanted(number, controller, changed | done, now)
            waits += [action.after for action in actions if isinstance(action, LookAgain)]
            done |= perform(self.store, actions, self.clock)
        return done, waits

    def _wanted(
        self, number: int, controller: PerObject | Whole, changed: Changed, now: datetime
    ) -> list[Action]:
        kinds = {kind for kind, _ in changed.places}
        if controller.reads and not controller.reads & kinds:
            return []
        match controller:
            case Whole(on_deletion_only=only):
                if only and not changed.deleted:
                    return []
                return list(controller.reconcile(self._observed, now))
            case PerObject():
                spaces = sorted({n for kind, n in changed.places if kind in controller.reads})
                # What belongs to no namespace concerns all of them.
                within = [None] if "" in spaces else spaces
                subjects = (s for n in within for s in self._observed.all(controller.kind, n))
                return [
                    action
                    for subject in subjects
                    for action in self._looked_at(number, controller, subject, now)
                ]

    def _looked_at(
        self, number: int, controller: PerObject, subject: Obj, now: datetime
    ) -> tuple[Action, ...]:
        inputs = controller.inputs(self._observed, subject)
        rest = self._rest.get((number, subject.key))
        if rest is not None and rest.holds(subject, inputs, now):
            return rest.wants(now)
        actions = controller.reconcile(subject, inputs, now)
        waits = [action.after for action in actions if isinstance(action, LookAgain)]
        if len(waits) < len(actions):
            self._rest.pop((number, subject.key), None)
        else:
            again = now + timedelta(seconds=min(waits)) if waits else None
            self._rest[number, subject.key] = _Rest(subject=subject, inputs=inputs, again=again)
        return actions


def _same(one: Inputs, other: Inputs) -> bool:
    return all(
        len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
        for a, b in zip(one, other, strict=True)
    )
