"""The current certificate of every proxy, and whether one issued earlier may stay.

In: who each node is, time.    Out: Held (leaf and version), the nodes whose leaf is due.
Before: ca/authority.py        After: stages/ (which turns a Leaf into an SDS secret)

After a restart of the control plane a proxy still has a certificate whose key nobody else knows. The
version it reports tells enough to leave it in place:

    END-BINDING-SERIAL-SEAL    END: seconds since the epoch; BINDING: digest of identity, subject
                               and roots; SEAL: HMAC of the rest and the node id
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import astuple

from lateen.base.clock import Clock
from lateen.ca.authority import USUAL, Authority, Leaf, Terms, renew_at
from lateen.ca.material import Material, pem_of
from lateen.ca.subject import Subject


class Held(Struct, frozen=True, kw_only=True):
    """A leaf and the version under which a proxy gets it."""

    leaf: Leaf
    version: str


@dataclass(slots=True)
class _Owner:
    identity: str
    subject: Subject
    terms: Terms
    held: Held | None = None
    signer: Material | None = None
    due: datetime | None = None


class Wallet:
    """Leaves by node id, in memory only."""

    def __init__(
        self,
        authority: Authority,
        clock: Clock,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._authority = authority
        self._clock = clock
        self._chance = chance
        self._owners: dict[str, _Owner] = {}

    def admit(self, node_id: str, identity: str, subject: Subject, terms: Terms = USUAL) -> None:
        """Say who the node is. Another identity, subject or terms make another leaf due."""
        known = self._owners.get(node_id)
        if known is None:
            self._owners[node_id] = _Owner(identity, subject, terms)
        elif (known.identity, known.subject, known.terms) != (identity, subject, terms):
            self._owners[node_id] = _Owner(identity, subject, terms, due=self._clock.now())

    def replace_all(self) -> None:
        """Another certificate signs from now on: every node is due."""
        for owner in self._owners.values():
            owner.held, owner.due = None, self._clock.now()

    def forget(self, node_id: str) -> None:
        """The node is gone."""
        self._owners.pop(node_id, None)

    def held(self, node_id: str) -> Held | None:
        """The node's leaf; None for an unknown node.

        It is issued now if there is none, it is due, or another authority signs.

        Raises EnvironmentFault when the authority can sign no more.
        """
        owner = self._owners.get(node_id)
        if owner is None:
            return None
        signer = self._authority.material
        late = owner.due is not None and self._clock.now() >= owner.due
        if owner.held is None or late or owner.signer is not signer:
            leaf = self._authority.issue(owner.identity, subject=owner.subject, terms=owner.terms)
            owner.held = Held(leaf=leaf, version=self._version(node_id, owner, leaf))
            owner.due = renew_at(leaf, self._chance)
            owner.signer = self._authority.material
        return owner.held

    def leaf(self, node_id: str) -> Leaf | None:
        """The node's leaf, if it was issued in this life of the control plane."""
        owner = self._owners.get(node_id)
        return owner.held.leaf if owner and owner.held else None

    def valid_until(self, node_id: str) -> datetime | None:
        """When the certificate ends that the node has, as far as is known; None if it is not."""
        owner = self._owners.get(node_id)
        if owner is None or owner.due is None:
            return None
        return owner.held.leaf.not_after if owner.held else owner.due + owner.terms.lifetime / 2

    def still_good(self, node_id: str, version: str) -> bool:
        """Whether a version this authority made, maybe in an earlier life, need not be replaced.

        True if it was for this node, identity, subject and roots, and more than half of a leaf's
        life remains. Then `due` names the node when that half begins. Once a newer leaf exists here,
        only that one is good.
        """
        owner = self._owners.get(node_id)
        if owner is None:
            return False
        if owner.held is not None:
            return version == owner.held.version
        rest, _, seal = version.rpartition("-")
        if not hmac.compare_digest(seal.encode(), self._seal(node_id, rest).encode()):
            return False
        end, binding, _ = rest.split("-")
        if binding != self._binding(owner):
            return False
        due = datetime.fromtimestamp(int(end), UTC) - owner.terms.lifetime / 2
        if self._clock.now() >= due:
            return False
        owner.due = due
        return True

    def due(self) -> tuple[str, ...]:
        """The nodes that should get a new leaf now, sorted; `held` will issue it."""
        now = self._clock.now()
        return tuple(
            sorted(n for n, o in self._owners.items() if o.due is not None and now >= o.due)
        )

    def next_due(self) -> datetime | None:
        """When the next node is due; None if no node has a leaf."""
        return min((o.due for o in self._owners.values() if o.due is not None), default=None)

    def _version(self, node_id: str, owner: _Owner, leaf: Leaf) -> str:
        rest = f"{int(leaf.not_after.timestamp())}-{self._binding(owner)}-{leaf.serial:x}"
        return f"{rest}-{self._seal(node_id, rest)}"

    def _binding(self, owner: _Owner) -> str:
        digest = hashlib.blake2b(digest_size=8)
        for text in (owner.identity, *astuple(owner.subject), self._roots()):
            digest.update(f"{text}\0".encode())
        return digest.hexdigest()

    def _roots(self) -> str:
        return pem_of(*self._authority.material.roots)

    def _seal(self, node_id: str, rest: str) -> str:
        key = self._authority.derived_key("lateen secret version")
        message = f"{node_id}\0{rest}".encode("utf-8", "replace")
        return hmac.new(key, message, hashlib.sha256).hexdigest()[:32]
