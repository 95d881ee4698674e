"""Tokens for pods' volumes are kept while they are fresh, and made anew in time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lateen.api.config import ServiceAccount
from lateen.api.meta import ObjectMeta
from lateen.api.objects import Obj
from lateen.api.pod import Container, Pod, PodSpec, TokenProjection
from lateen.apiserver.accounttokens import AccountKey
from lateen.base.clock import FakeClock
from lateen.base.origin import ObjectKey
from lateen.stages.fieldrefs import BadReference
from lateen.stages.tokening import AccountTokens

POD = Pod(
    metadata=ObjectMeta(name="web-0", namespace="shop", uid="u1"),
    spec=PodSpec(containers=(Container(name="web"),)),
)
ASKED = TokenProjection(path="token", audience="vault", expiration_seconds=1000)


def test_a_token_is_kept_for_four_fifths_of_its_time(tmp_path: Path) -> None:
    key = ObjectKey(group="", kind="ServiceAccount", namespace="shop", name="default")
    typed = ServiceAccount(metadata=ObjectMeta(name="default", namespace="shop", uid="u2"))
    account = Obj(key=key, raw={}, typed=typed)
    clock, path = FakeClock(), tmp_path / "access" / "key"
    tokens = AccountTokens(path=path, lookup={account.key: account}.get, clock=clock)
    woken: list[float] = []

    async def work() -> str:
        renewing = asyncio.create_task(tokens.renewing(lambda: woken.append(clock.monotonic())))
        first = tokens.token(POD, ASKED)
        for _ in range(28):
            await asyncio.sleep(0)
            await clock.advance(30)
            assert woken or tokens.token(POD, ASKED) == first
        renewing.cancel()
        return first

    first = asyncio.run(work())
    assert woken[0] == pytest.approx(810)
    second = tokens.token(POD, ASKED)
    assert second != first
    claims = AccountKey.open(path).read(second, clock=clock)
    assert claims
    assert (claims.audiences, claims.account) == (("vault",), "default")
    assert claims.bound
    assert (claims.bound.kind, claims.bound.uid) == ("Pod", "u1")


def test_a_token_needs_its_account(tmp_path: Path) -> None:
    tokens = AccountTokens(path=tmp_path / "key", lookup=lambda key: None, clock=FakeClock())
    with pytest.raises(BadReference, match='serviceaccount "default" not found'):
        tokens.token(POD, ASKED)
