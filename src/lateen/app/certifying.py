"""Answer what is asked about certificates, warn before one ends, and notice a clock that was set.

In: the CA, this round's plans, the ledger, time.    Out: JSON, problems, Events, figures.
Before: stages/certificates.py, stages/securing.py   After: app/control.py, app/reporting.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lateen.api.codes import CLOCK_MOVED
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level, Problem
from lateen.cluster.actions import Tell
from lateen.cluster.performing import perform
from lateen.ir.plan import ProxyPlan
from lateen.stages.certificates import (
    Certificate,
    Kind,
    State,
    certificate_problems,
    certificates,
    words_of,
)
from lateen.stages.securing import Held, Securing
from lateen.store.interface import Store

LOOK_EVERY = 5.0  # seconds between looks for what ends, and at the clock
MOVED = 5.0  # seconds the clock may differ from time that passed; more, and it was set
TOLD_FOR = timedelta(hours=1)  # how long a clock that was set stays a problem
COMPONENT = "lateen-certificates"


@dataclass(kw_only=True)
class Certifying:
    """Certificates as they are shown; nothing here decides which are used."""

    securing: Securing
    plans: Callable[[], Iterable[ProxyPlan]]
    held: Held
    store: Store
    clock: Clock
    tell: Callable[[str], None]
    _offset: float | None = None
    _moved: tuple[datetime, float] | None = None
    _said: dict[tuple[Kind, str, str, str], State] = field(default_factory=dict)

    def rows(self) -> tuple[Certificate, ...]:
        """Every certificate."""
        return certificates(self.securing, self.plans())

    def seconds(self) -> Mapping[tuple[str, str, str], float]:
        """How long each is valid still, by kind, namespace and name; of equal ones the first to end."""
        now, found = self.clock.now(), {}
        for row in sorted(self.rows(), key=lambda row: row.end, reverse=True):
            found[row.kind.value, row.namespace, row.name] = row.left(now).total_seconds()
        return found

    def seconds_of(self, node_id: str) -> float:
        """How long a proxy's certificate is valid still; 0 if it is not known."""
        return self.securing.seconds_left(node_id)

    def shown(self) -> dict[str, Any]:
        """Every certificate, and where a change of authority stands."""
        now, rotation = self.clock.now(), self.securing.rotation
        waiting = set(self.securing.waited_for(self.held))
        return {
            "certificates": [_json(row, now) for row in self.rows()],
            "authority": "plugged in" if self.securing.authority.plugged else "lateen",
            "rotation": rotation.phase.value,
            "waitingFor": sorted(
                f"{plan.proxy.namespace}/{plan.proxy.pod}"
                for plan in self.plans()
                if plan.proxy.id in waiting
            ),
        }

    def rotate(self) -> dict[str, Any]:
        """Begin to go over to a new root of lateen's own; raises NotPossible where it signs with another."""
        self.securing.renew_root()
        self.tell("the mesh goes over to a new root certificate")
        return self.shown()

    def problems(self) -> tuple[Problem, ...]:
        """What ends soon or has ended, a CA that cannot serve, a clock that was set."""
        now, rows = self.clock.now(), self.rows()
        secrets = {(o.key.namespace, o.key.name): o.origin() for o in self._secrets(rows)}
        return (
            *self.securing.problems,
            *certificate_problems(rows, now, secrets),
            *self._clock_problem(now),
        )

    def look(self) -> None:
        """Tell of each certificate whose state has changed, once; notice a clock that was set."""
        self._look_at_clock()
        now, told = self.clock.now(), []
        for row in self.rows():
            state, which = row.state(now), (row.kind, row.namespace, row.name, row.serial)
            if self._said.get(which, State.OK) is not state:
                self._said[which] = state
                if state is not State.OK:
                    self.tell(words_of(row, state))
                    told += list(self._event(row, state))
        perform(self.store, told, self.clock)

    async def looking(self) -> None:
        """Look every few seconds."""
        while True:
            self.look()
            await self.clock.sleep(LOOK_EVERY)

    def _event(self, row: Certificate, state: State) -> Iterator[Tell]:
        kind = "Pod" if row.kind is Kind.PROXY else "Secret"
        about = self.store.get(
            ObjectKey(group="", kind=kind, namespace=row.namespace, name=row.name)
        )
        if about is not None:
            reason = "CertificateExpired" if state is State.EXPIRED else "CertificateExpiring"
            yield Tell(
                about=about,
                reason=reason,
                message=words_of(row, state),
                component=COMPONENT,
                warning=True,
                once=True,
            )

    def _secrets(self, rows: Iterable[Certificate]) -> Iterator[Any]:
        for row in rows:
            if row.kind is Kind.CREDENTIAL:
                key = ObjectKey(group="", kind="Secret", namespace=row.namespace, name=row.name)
                if found := self.store.get(key):
                    yield found

    def _look_at_clock(self) -> None:
        offset = self.clock.now().timestamp() - self.clock.monotonic()
        by = 0.0 if self._offset is None else offset - self._offset
        if self._offset is None or abs(by) > MOVED:
            self._offset = offset
        if abs(by) > MOVED:
            self._moved = (self.clock.now(), by)
            self.tell(_moved_words(by))
            self.securing.wallet.replace_all()  # what was issued by another time may not be valid

    def _clock_problem(self, now: datetime) -> Iterator[Problem]:
        if self._moved is not None and now - self._moved[0] < TOLD_FOR:
            yield Problem(
                code=CLOCK_MOVED,
                level=Level.WARNING,
                origin=Origin(),
                message=_moved_words(self._moved[1]),
                fix="let a time service keep this machine's clock; every proxy has a new certificate",
            )


def _moved_words(by: float) -> str:
    direction = "forward" if by > 0 else "back"
    return f"this machine's clock was set {direction} by {abs(by):.0f} s"


def _json(row: Certificate, now: datetime) -> dict[str, Any]:
    return {
        "kind": row.kind.value,
        "namespace": row.namespace,
        "name": row.name,
        "state": row.state(now).value,
        "notBefore": row.start.isoformat() if row.start else None,
        "notAfter": row.end.isoformat(),
        "secondsLeft": row.left(now).total_seconds(),
        "serial": row.serial,
        "about": row.note,
    }
