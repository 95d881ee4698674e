"""Two accounts make a rate; a container that was started again begins anew."""

from __future__ import annotations

from datetime import UTC, datetime

from lateen.apiserver.deps import ContainerUse, PodUse
from lateen.node.protocol import ContainerUse as Account
from lateen.node.protocol import Use
from lateen.stages.accounting import Accounting

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _use(at: float, **seconds: float) -> Use:
    accounts = (Account(uid="u", container=n, cpu=cpu, memory=7) for n, cpu in seconds.items())
    return Use(at=at, containers=tuple(accounts))


def test_rates_follow_from_the_last_two_accounts() -> None:
    accounting = Accounting()
    accounting.take(_use(10, app=1.0, proxy=5.0), NOW)
    assert accounting.pods() == {}
    accounting.take(_use(14, app=3.0, proxy=0.4, new=9.0), NOW)
    containers = (
        ContainerUse(name="app", cpu=0.5, memory=7),
        ContainerUse(name="proxy", cpu=0.1, memory=7),
    )
    assert accounting.pods() == {"u": PodUse(at=NOW, window=4, containers=containers)}


def test_another_life_of_the_node_begins_anew() -> None:
    accounting = Accounting()
    for at in (10, 14, 2):
        accounting.take(_use(at, app=1.0), NOW)
    assert accounting.pods() == {}
