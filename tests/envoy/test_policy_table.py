"""Every field of AuthorizationPolicy, for ALLOW and DENY, over HTTP and over plain TCP: what is expected
of it, and what a real Envoy does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lateen.explain.policies import judged
from lateen.explain.presenting import as_read, presented
from lateen.explain.request import Request
from lateen.ir.policy import Authorization
from tests.envoy import plans, real
from tests.envoy.apps import free_port
from tests.envoy.fields import ROWS, TOKENS, Row, Tree, asked, authorization
from tests.envoy.judging import (
    Place,
    ask,
    connects,
    listener,
    raw_listener,
    short_folder,
)
from tests.envoy.reference import lets_in
from tests.envoy.test_accepted import bootstrap

pytestmark = pytest.mark.e2e
ACTIONS = ("ALLOW", "DENY")


@dataclass(frozen=True)
class Sites:
    """Where each policy is judged: by (row, action, http)."""

    places: dict[tuple[str, str, bool], Place]
    authorizations: dict[tuple[str, str], Authorization]


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    made = {
        (row.name, action): authorization(
            {"action": action, "rules": [row.rule]},
            tokens=TOKENS if "request" in row.name.lower() else "",
        )
        for row in ROWS.values()
        for action in ACTIONS
    }
    with short_folder() as folder:
        config = json.loads(bootstrap(plans.SIDECAR, folder))
        places: dict[tuple[str, str, bool], Place] = {}
        for number, ((name, action), one) in enumerate(made.items()):
            by_address = "127.0.0." in name
            for http, make in ((True, listener), (False, raw_listener)):
                at: Place = (
                    free_port() if by_address else folder / f"{number}{'h' if http else 'r'}"
                )
                places[name, action, http] = at
                config["static_resources"]["listeners"].append(make(one, at))
        with real.running(config, folder):
            yield Sites(places, made)


def expected(row: Row, action: str, *, fits: bool, http: bool) -> bool:
    """The table. On plain TCP what only HTTP has allows nothing, and is left out of what denies."""
    if http or not row.http_only:
        return fits is (action == "ALLOW")
    return False


@pytest.mark.parametrize("http", [True, False], ids=["HTTP", "TCP"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", ROWS)
def test_field(sites: Sites, name: str, action: str, http: bool) -> None:
    row, at = ROWS[name], sites.places[name, action, http]
    spec: Tree = {"action": action, "rules": [row.rule]}
    for fits in (True, False):
        made = asked(row.fits if fits else row.fits_not)
        wanted = expected(row, action, fits=fits, http=http)
        one = sites.authorizations[name, action]
        seen = presented(one, as_read(made, one.paths)) if http else made
        assert isinstance(seen, Request)
        assert lets_in([spec], seen, http=http) is wanted
        assert (judged(one, seen, http=http) is None) is wanted
        observed = ask(at, made).status == 200 if http else connects(at, made)
        assert observed is wanted


def test_the_table_has_every_field() -> None:
    from lateen.api.security import Operation, Source
    from lateen.check.security import KEYS

    fields = {name.partition("-")[0] for name in ROWS}
    camel = {
        head + "".join(part.capitalize() for part in rest)
        for struct in (Source, Operation)
        for head, *rest in (name.split("_") for name in struct.__struct_fields__)
    }
    assert camel <= fields
    assert set(KEYS) <= fields
