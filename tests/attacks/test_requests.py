"""Every request of the pack at a real Envoy: each attack is refused, each legitimate twin passes.

A file of cases is a place with its policies, the attacks on it with what an attacker gets, and the requests
that must pass all the same, with what the app reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lateen.envoy.filters.kind import Side
from tests.attacks.sending import Outcome, Sent, send
from tests.envoy import plans, real
from tests.envoy.fields import authorization
from tests.envoy.judging import listener, short_folder
from tests.envoy.test_accepted import bootstrap

pytestmark = pytest.mark.e2e
FILES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
SHOWN = (":path", ":method", ":authority", "x-forwarded-client-cert", "x-user")
REFUSED = {"status": 403, "says": "RBAC: access denied"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request and what must become of it."""

    file: str
    name: str
    sent: Sent
    statuses: tuple[int, ...]
    says: str | None = None
    seen: tuple[tuple[str, str], ...] = ()
    unseen: str = ""


def _cases(file: Path, section: str) -> Iterator[Case]:
    content = yaml.safe_load(file.read_text())
    usual = content.get("usual", {})
    for written in content[section]:
        spec: dict[str, Any] = {"path": written} if isinstance(written, str) else dict(written)
        fallback = REFUSED if section == "attacks" else {"status": 200}
        expected = {**fallback, **(content.get("refused", {}) if section == "attacks" else {})}
        wanted = {k: spec.pop(k, expected.get(k)) for k in ("status", "says")}
        seen = tuple(spec.pop("seen", {}).items())
        unseen = spec.pop("unseen", "")
        name = spec.pop("name", "") or spec.get("path") or spec.get("host", "")
        headers = [h.split(": ", 1) for h in (*usual.get("headers", ()), *spec.pop("headers", ()))]
        fields = {k: v for k, v in {**usual, **spec}.items() if k != "headers"}
        sent = Sent(headers=tuple((n, v) for n, v in headers), **fields)
        status = wanted["status"]
        statuses = tuple(status) if isinstance(status, list) else (status,)
        says = wanted["says"] if statuses[-1:] == (expected["status"],) else spec.get("says")
        yield Case(
            file=file.stem,
            name=name,
            sent=sent,
            statuses=statuses,
            says=says,
            seen=seen,
            unseen=unseen,
        )


ATTACKS = [case for file in FILES for case in _cases(file, "attacks")]
TWINS = [case for file in FILES for case in _cases(file, "legitimate")]


@pytest.fixture(scope="module")
def places() -> Iterator[Path]:
    """One real Envoy with a listener for each file."""
    with short_folder() as folder:
        config: dict[str, Any] = json.loads(bootstrap(plans.SIDECAR, folder))
        config["static_resources"]["listeners"] = [
            _listener(yaml.safe_load(file.read_text()), folder / file.stem) for file in FILES
        ]
        with real.running(config, folder):
            yield folder


def _listener(content: dict[str, Any], at: Path) -> dict[str, Any]:
    side = Side.GATEWAY if content.get("side") == "gateway" else Side.INBOUND
    return listener(authorization(*content["policies"]), at, SHOWN, side=side)


def _told(case: Case, got: Outcome) -> str:
    return f"{case.sent.bytes!r} -> {got}"


@pytest.mark.parametrize("case", ATTACKS, ids=lambda c: f"{c.file}-{c.name}")
def test_an_attack_is_refused(case: Case, places: Path) -> None:
    got = send(places / case.file, case.sent, len(case.statuses))
    assert got.statuses == case.statuses, _told(case, got)
    if case.says is not None:
        assert got.body == case.says, _told(case, got)
    assert all(got.seen(name) == value for name, value in case.seen), _told(case, got)


@pytest.mark.parametrize("case", TWINS, ids=lambda c: f"{c.file}-{c.name}")
def test_what_is_legitimate_passes(case: Case, places: Path) -> None:
    got = send(places / case.file, case.sent, len(case.statuses))
    assert got.statuses == case.statuses, _told(case, got)
    assert all(got.seen(name) == value for name, value in case.seen), _told(case, got)
    assert not case.unseen or case.unseen not in str(got.headers), _told(case, got)


def test_the_pack_is_as_large_as_it_says() -> None:
    assert len(ATTACKS) >= 150
    assert len(TWINS) >= 100
