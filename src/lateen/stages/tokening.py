"""Tokens of service accounts for pods' volumes: made once, kept while fresh, made anew in time.

In: a Pod, the token it asks for.    Out: AccountTokens: `token`, `renewing`.
Before: apiserver/accounttokens.py        After: stages/podvolumes.py, app/control.py

As the kubelet: another token when four fifths of its time, or a day, have gone by. Source: kubernetes
pkg/kubelet/token, token_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from lateen.api.pod import Pod, TokenProjection
from lateen.apiserver.accounttokens import API_AUDIENCE, AccountKey, Bound, Claims
from lateen.base.clock import Clock
from lateen.base.origin import ObjectKey
from lateen.stages.fieldrefs import BadReference
from lateen.stages.podvolumes import Lookup

_DAY = 24 * 3600.0
_LOOK_SECONDS = 30.0

_Asked = tuple[str, str, int]  # the pod's uid, the audience, the seconds


class _Kept(Struct, frozen=True):
    token: str
    until: float  # of the monotonic clock, in seconds


@dataclass(kw_only=True)
class AccountTokens:
    """The tokens in use. `path` is where the key of all of them is, made if it is not there."""

    path: Path
    lookup: Lookup
    clock: Clock
    _kept: dict[_Asked, _Kept] = field(default_factory=dict)

    @cached_property
    def _key(self) -> AccountKey:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return AccountKey.open(self.path)

    def token(self, pod: Pod, asked: TokenProjection) -> str:
        """The token of this pod for this audience; the same until it is time for another.

        Raises BadReference when there is no such account.
        """
        who = (pod.metadata.uid, asked.audience, asked.expiration_seconds)
        kept = self._kept.get(who)
        now = self.clock.monotonic()
        if kept is None or now >= kept.until:
            fresh = min(asked.expiration_seconds * 0.8, _DAY)
            kept = _Kept(self._mint(pod, asked), now + fresh)
            self._kept[who] = kept
        return kept.token

    async def renewing(self, wake: Callable[[], None]) -> None:
        """Wake whoever hands tokens out when one is to be made anew; forget what nobody asked for."""
        while True:
            await self.clock.sleep(_LOOK_SECONDS)
            now = self.clock.monotonic()
            stale = [who for who, kept in self._kept.items() if now >= kept.until]
            for who in stale:
                del self._kept[who]
            if stale:
                wake()

    def _mint(self, pod: Pod, asked: TokenProjection) -> str:
        namespace = pod.metadata.namespace
        name = pod.spec.service_account_name or "default"
        key = ObjectKey(group="", kind="ServiceAccount", namespace=namespace, name=name)
        account = self.lookup(key)
        if account is None:
            raise BadReference(f'serviceaccount "{name}" not found')
        claims = Claims(
            namespace=namespace,
            account=name,
            account_uid=account.meta.uid,
            audiences=(asked.audience or API_AUDIENCE,),
            bound=Bound(kind="Pod", name=pod.metadata.name, uid=pod.metadata.uid),
        )
        return self._key.mint(claims, seconds=asked.expiration_seconds, clock=self.clock)
