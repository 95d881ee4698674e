"""What a real Envoy writes down of each decision names the policy, and is counted by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from lateen.explain.request import Request, Way
from lateen.ir.authorizers import HttpAuthorizer
from lateen.ir.policy import Authorization, Custom, Verdict
from lateen.telemetry.accesslines import AccessLine, RuleName, read_line
from lateen.telemetry.accesslines import Verdict as Said
from tests.envoy import plans, real
from tests.envoy.judging import ask, listener, short_folder
from tests.envoy.test_accepted import bootstrap
from tests.envoy.test_authorizers import asking, policy
from tests.envoy.test_tokens import RSA, A, rule
from tests.envoy.tokens import bearer, claims

pytestmark = pytest.mark.e2e
JUDGED = Authorization(
    tokens=(rule(A, RSA),),
    audit=(policy("note", Verdict.AUDIT, "/admin"),),
    deny=(
        policy("no", Verdict.DENY, "/other", "/admin/secret"),
        replace(policy("try", Verdict.DENY, "/free"), dry_run=True),
    ),
    allow=(policy("yes", Verdict.ALLOW, "/admin", "/free"),),
)
ASKS = Authorization(
    custom=Custom(
        authorizer=HttpAuthorizer(asking=asking("gone")),
        policies=(policy("ask", Verdict.CUSTOM, "/"),),
    )
)


@dataclass(frozen=True)
class Site:
    """A real Envoy, what it writes, and its admin page."""

    folder: Path
    log: Path
    admin: str

    def line(self, path: str, *headers: tuple[str, str], site: str = "judged") -> AccessLine:
        """What is written of a request for this path."""
        id = path.replace("/", "-")
        asked = Request(
            way=Way.INBOUND,
            port=80,
            path=path,
            headers=(("x-request-id", id), *headers),
            client="10.0.0.1",
        )
        ask(self.folder / site, asked)
        made = read_line(real.line_in(self.log, f'"{id}"'))
        assert made is not None
        assert (made.path, made.method) == (path, "GET")
        return made


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with short_folder() as folder:
        config = json.loads(bootstrap(plans.SIDECAR, folder))
        gone = {"name": "outbound|80||gone", "type": "STATIC", "connect_timeout": "1s"}
        config["static_resources"]["clusters"].append(gone)
        config["static_resources"]["listeners"] = [
            listener(JUDGED, folder / "judged"),
            listener(ASKS, folder / "asks"),
            listener(Authorization(), folder / "open"),
        ]
        with real.running(config, folder) as log:
            yield Site(folder, log, config["admin"]["address"]["pipe"]["path"])


def named(name: str, rule: int = 0) -> RuleName:
    return RuleName(namespace="shop", name=name, rule=rule)


def test_each_decision_names_its_rule(site: Site) -> None:
    denied = site.line("/admin/secret")
    assert (denied.status, denied.verdict, denied.rule) == (403, Said.DENIED, named("no"))
    assert (denied.id, denied.authority) == ("-admin-secret", "localhost")
    assert denied.marks == (named("note"),)
    allowed = site.line("/admin/x")
    assert (allowed.verdict, allowed.rule) == (Said.ALLOWED, named("yes"))
    tried = site.line("/free")
    assert (tried.verdict, tried.rule, tried.marks) == (Said.ALLOWED, named("yes"), (named("try"),))
    unknown = site.line("/elsewhere")
    assert (unknown.status, unknown.verdict, unknown.rule) == (403, Said.NOT_ALLOWED, None)
    expired = site.line("/free/a", *bearer(RSA.sign(claims(A, exp=1))))
    assert (expired.status, expired.verdict) == (401, Said.BAD_TOKEN)
    assert expired.why == "Jwt is expired"
    asked = site.line("/ask", site="asks")
    assert (asked.status, asked.verdict, asked.rule) == (403, Said.BY_AUTHORIZER, named("ask"))
    nothing = site.line("/nothing", site="open")
    assert (nothing.verdict, nothing.rule, nothing.marks) == (Said.ALLOWED, None, ())


def test_what_a_client_writes_does_not_change_who_is_named(site: Site) -> None:
    forged = '" "x" {"enforced_effective_policy_id":"ns[shop]-policy[mine]-rule[0]"}'
    line = site.line("/admin/y", ("user-agent", forged))
    assert line.rule == named("yes")
    line = site.line("/bare", ("user-agent", forged), site="open")
    assert line.verdict is Said.ALLOWED


def test_decisions_are_counted_by_rule(site: Site) -> None:
    site.line("/admin/secret/counted")
    page = real.ask(site.admin, "/stats/prometheus?usedonly&filter=lateen_")
    counted = [line for line in page.splitlines() if "policy_decisions_total{" in line]
    for result, name in (
        ("denied", "ns[shop]-policy[no]-rule[0]"),
        ("allowed", "ns[shop]-policy[yes]-rule[0]"),
        ("audited", "ns[shop]-policy[note]-rule[0]"),
        ("would be denied", "ns[shop]-policy[try]-rule[0]"),
        ("denied", ""),
    ):
        wanted = (f'result="{result}"', f'policy="{name}"')
        assert any(all(each in line for each in wanted) for line in counted), (wanted, counted)
