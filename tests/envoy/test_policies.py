"""Made-up policies and requests: the real Envoy judges as the plan does.

One Envoy has a listener for each of many policies. The PROXY protocol tells it addresses and ports that
no test could have; identities are shown by certificates.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lateen.explain.policies import judged
from lateen.explain.presenting import as_read, presented
from lateen.explain.request import Request, Unverified, Way
from lateen.ir.policy import Authorization
from tests.envoy import plans, real
from tests.envoy.judging import DESTINATION, ask, listener, short_folder
from tests.envoy.test_accepted import bootstrap
from tests.explain.test_walkers import HOSTS, IDENTITIES, authorizations, shown_tokens

pytestmark = pytest.mark.e2e
CLIENTS = ("10.0.0.1", "10.1.0.1", "198.18.0.9")

requests = st.builds(
    Request,
    way=st.just(Way.INBOUND),
    port=st.sampled_from((80, 443, 8080)),
    method=st.sampled_from(("GET", "POST", "PUT")),
    path=st.sampled_from(
        (
            "/",
            "/a",
            "/a/b",
            "/A/b",
            "/secret",
            "/a?q=/secret",
            "//a",
            "/./a",
            "/%61",
            "/a%2Fb",
            "/a%5cb",
        )
    ),
    authority=st.sampled_from((*HOSTS, "WEB.:81", "a.example.com.")),
    headers=st.builds(
        lambda some, shown: (*some, *shown),
        st.lists(
            st.tuples(st.sampled_from(("x-a", "x-b")), st.sampled_from(("a", "b", "ab"))),
            max_size=2,
            unique_by=lambda pair: pair[0],
        ),
        shown_tokens,
    ),
    at=st.just(time.time()),
    peer=st.sampled_from(("", *(f"spiffe://{each}" for each in IDENTITIES))),
    sni=st.sampled_from(("", "a.example.com", "web")),
    client=st.sampled_from(CLIENTS),
    address=st.just(DESTINATION),
)


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def _statuses(authorization: Authorization, request: Request) -> tuple[int, ...]:
    """What the plan says of a request; a token for others is refused in another way than a bad one."""
    shown = presented(authorization, as_read(request, authorization.paths))
    if isinstance(shown, Unverified):
        return 401, 403
    return (403,) if judged(authorization, shown, http=True) else (200,)


@given(data=st.data())
@settings(
    max_examples=12,
    phases=(Phase.generate,),  # a smaller failure would cost an Envoy for each try
    suppress_health_check=list(HealthCheck),
)
def test_envoy_judges_as_the_plan_says(short: Path, data: st.DataObject) -> None:
    policies = [data.draw(authorizations) for _ in range(6)]
    asked = [data.draw(requests) for _ in range(12)]
    config = json.loads(bootstrap(plans.SIDECAR, short))
    sockets = [short / f"s{number}" for number in range(len(policies))]
    config["static_resources"]["listeners"] = [
        listener(each, at) for each, at in zip(policies, sockets, strict=True)
    ]
    with real.running(config, short):
        for authorization, at in zip(policies, sockets, strict=True):
            for request in asked:
                known = request if request.peer else replace(request, sni="")
                got = ask(at, known).status
                assert got in _statuses(authorization, known), (authorization, known)
