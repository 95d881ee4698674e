"""Go from one authority to another, or from one root to the next, with no handshake that fails.

In: what should sign, what each proxy holds.    Out: the next step, who is waited for.
Before: ca/authority.py, ca/own.py              After: stages/securing.py

First every proxy trusts the new roots beside the old; then each gets a leaf under the new one; when no
other leaf is left, the old roots go. A step is taken only when every proxy has confirmed the one
before.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from lateen.base.clock import Clock
from lateen.ca.authority import Authority, Source
from lateen.ca.material import Material, read_material
from lateen.ca.own import discard_next, has_next, make_next, open_own

PATIENCE = 60.0  # seconds a proxy that never came is waited for, in each step


class Phase(StrEnum):
    """Where the change of authority stands, in the words `lateen certs` shows."""

    STEADY = "steady"
    TRUSTING = "new roots go out beside the old"
    REPLACING = "certificates under the new root go out"


class Rotation:
    """The change under way, if there is one."""

    def __init__(self, authority: Authority, clock: Clock) -> None:
        self.authority = authority
        self._clock = clock
        self._since = clock.monotonic()
        self._wanted: tuple[Material, Source] | None = None
        if has_next(authority.folder):
            self.renew_root()

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        if self._wanted is not None:
            return Phase.TRUSTING
        return Phase.REPLACING if self.authority.retired else Phase.STEADY

    @property
    def patient(self) -> bool:
        """Whether proxies that never came are still waited for in this step."""
        return self._clock.monotonic() - self._since < PATIENCE

    def follow(self, content: Mapping[str, bytes] | None) -> None:
        """Sign with what the user brings (the files of Istio's `cacerts`), or with lateen's own.

        Raises Unfit when the files cannot serve; then all stays as it is.
        """
        now, authority = self._clock.now(), self.authority
        if content is not None:
            self._want(read_material(content, now), Source.USER)
        elif authority.plugged:
            self._want(open_own(authority.folder, authority.trust_domain, now), Source.OWN)

    def renew_root(self) -> None:
        """Make a root and an intermediate of lateen's own, and go over to them."""
        authority = self.authority
        made = make_next(authority.folder, authority.trust_domain, self._clock.now())
        self._want(made, Source.NEXT)

    def advance(self) -> Phase:
        """Every proxy has confirmed this step: take the next, and say which it is."""
        if self._wanted is not None:
            material, source = self._wanted
            self._wanted = None
            self.authority.sign_with(material, source)
        else:
            self.authority.drop_retired()
        self._since = self._clock.monotonic()
        return self.phase

    def _want(self, material: Material, source: Source) -> None:
        authority = self.authority
        self._since = self._clock.monotonic()
        if source is not Source.NEXT:
            discard_next(authority.folder)
        if authority.plugged == (source is Source.USER) and authority.material.same_as(material):
            self._wanted = None
            authority.trust(())
            return
        self._wanted = (material, source)
        authority.trust(material.roots)
