"""Give each proxy its certificate, the roots, and its gateway's certificates; renew them in time.

In: the CA's wallet, this round's plans.    Out: SDS resources, asked for by proxy and name.
Before: ca/, stages/planning.py       After: xds/server.py, stages/certificates.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from lateen.api.codes import INVALID_CREDENTIAL
from lateen.api.fields import Duration
from lateen.api.proxydefaults import RSA_KEY_SIZE, SECRET_TTL
from lateen.base.clock import Clock
from lateen.base.errors import NotPossible
from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level, Problem
from lateen.ca.authority import USUAL, Authority, Terms
from lateen.ca.material import Unfit
from lateen.ca.rotation import Phase, Rotation
from lateen.ca.secrets import Wallet
from lateen.ca.subject import Subject
from lateen.envoy.names import SECRET_OWN, SECRET_ROOT
from lateen.envoy.resources import Resource, Resources, ResourceType
from lateen.envoy.tls import emit_root, emit_secret
from lateen.ir.plan import Proxy, ProxyPlan
from lateen.world.model import CLUSTER_DOMAIN, SecretData, World
from lateen.xds.ledger import ProxyState

LOOK_EVERY = 1.0  # seconds between looks for certificates that are due
OWN_CA = ObjectKey(group="", kind="Secret", namespace="istio-system", name="cacerts")
_NOT_LOOKED = SecretData(content={"": b""})


class Held(Protocol):
    """What is known of the secrets proxies have."""

    def last_good(self, proxy: str, type_: ResourceType, name: str) -> Resource | None:
        """The secret of that name the proxy last acknowledged, without its body."""

    def state(self, proxy: str) -> ProxyState | None:
        """Whether it is connected; None if it never was."""


@dataclass(kw_only=True)
class Securing:
    """The secrets of all proxies; keys are in memory only."""

    authority: Authority
    clock: Clock
    wallet: Wallet
    rotation: Rotation
    problems: tuple[Problem, ...] = ()
    _resources: Mapping[str, Resources] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _brought: SecretData | None = _NOT_LOOKED
    _told: str = field(init=False)  # the roots that were sent last
    _confirmed: bool = False

    def __post_init__(self) -> None:
        self._told = self.authority.bundle_pem

    @classmethod
    def open(cls, folder: Path, clock: Clock) -> Securing:
        """With the CA kept in that folder, made there if there is none."""
        authority = Authority.open(folder, trust_domain=CLUSTER_DOMAIN, clock=clock)
        return cls(
            authority=authority,
            clock=clock,
            wallet=Wallet(authority, clock),
            rotation=Rotation(authority, clock),
        )

    def follow(self, world: World, origin_of: Callable[[ObjectKey], Origin]) -> None:
        """Sign with the CA the user brings in Istio's Secret `cacerts`, if there is one.

        Where no proxy is known (`put`) nobody need be waited for.
        """
        secret = world.secrets.get((OWN_CA.namespace, OWN_CA.name))
        if secret == self._brought:
            return
        self._brought, self.problems = secret, ()
        try:
            self.rotation.follow(secret.content if secret else None)
        except Unfit as fault:
            problem = Problem(
                code=INVALID_CREDENTIAL,
                level=Level.ERROR,
                origin=origin_of(OWN_CA),
                message=f"{fault}; the mesh goes on with the CA it had",
            )
            self.problems = (problem,)
        if not self._known:
            while self.rotation.phase is not Phase.STEADY:
                self._advance()

    def put(self, plans: Iterable[ProxyPlan], resources: Mapping[str, Resources]) -> None:
        """Say which proxies there are and what secrets of their own their plans have."""
        self._resources = resources
        known: set[str] = set()
        for plan in plans:
            proxy = plan.proxy
            known.add(proxy.id)
            subject = Subject(
                workload=proxy.workload,
                namespace=proxy.namespace,
                trust_domain=plan.trust_domain,
                pod=proxy.pod,
                app=proxy.app,
                version=proxy.version,
                service=proxy.app or proxy.workload,
            )
            self.wallet.admit(proxy.id, proxy.identity, subject, terms_of(proxy))
        for node_id in self._known - known:
            self.wallet.forget(node_id)
        self._known = known

    def secret(self, node_id: str, name: str) -> Resource | None:
        """The secret of that name for that proxy; another proxy's is never given."""
        if name == SECRET_OWN:
            held = self.wallet.held(node_id)
            if held is None:
                return None
            leaf = held.leaf
            return emit_secret(name, leaf.chain_pem.encode(), leaf.key_pem.encode(), held.version)
        if name == SECRET_ROOT:
            return emit_root(name, self.authority.bundle_pem.encode())
        return self._resources.get(node_id, {}).get(ResourceType.SECRET, {}).get(name)

    def still_good(self, node_id: str, name: str, version: str) -> bool:
        """Whether what a reconnecting proxy says it holds need not be sent again."""
        if name == SECRET_OWN:
            return self.wallet.still_good(node_id, version)
        now = self.secret(node_id, name)
        return now is not None and now.version == version

    def seconds_left(self, node_id: str) -> float:
        """How long the proxy's certificate is valid still; 0 if it is not known."""
        end = self.wallet.valid_until(node_id)
        return 0.0 if end is None else max(0.0, (end - self.clock.now()).total_seconds())

    def renew_root(self) -> None:
        """Go over to a new root; raises NotPossible while a user's CA signs, whose root is not ours."""
        if self.authority.plugged:
            raise NotPossible(
                f"Secret {OWN_CA.namespace}/{OWN_CA.name} is the mesh's CA: put the next root into "
                f"its root-cert.pem, or take the Secret away to have lateen's own"
            )
        if self.rotation.phase is not Phase.STEADY:
            raise NotPossible(f"a change of the CA is under way: {self.rotation.phase}")
        self.rotation.renew_root()

    def waited_for(self, held: Held) -> tuple[str, ...]:
        """The proxies that have not confirmed this step of a change of authority, sorted."""
        phase = self.rotation.phase
        if phase is Phase.STEADY:
            return ()
        name = SECRET_ROOT if phase is Phase.TRUSTING else SECRET_OWN
        waiting: list[str] = []
        for node in sorted(self._known):
            has = held.last_good(node, ResourceType.SECRET, name)
            if has is None:
                state = held.state(node)
                here = state is not None and state.connected_since is not None
                waiting += [node] if here or self.rotation.patient else []
            elif not self.still_good(node, name, has.version):
                waiting.append(node)
        return tuple(waiting)

    def look(self, refresh: Callable[[str, Iterable[str]], None], held: Held) -> None:
        """Send what is due: renewed certificates, other roots, the next step of a change."""
        if self.rotation.phase is not Phase.STEADY:
            confirmed = not self.waited_for(held)
            # One look later its workers run what the proxy has confirmed.
            if confirmed and self._confirmed:
                self._advance()
                confirmed = False
            self._confirmed = confirmed
        roots = self.authority.bundle_pem
        if roots != self._told:
            for node in sorted(self._known):
                refresh(node, (SECRET_ROOT,))
            self._told = roots
        for node in self.wallet.due():
            refresh(node, (SECRET_OWN,))

    def _advance(self) -> None:
        before = self.authority.material
        self.rotation.advance()
        if self.authority.material is not before:
            self.wallet.replace_all()

    async def renewing(self, refresh: Callable[[str, Iterable[str]], None], held: Held) -> None:
        """Have every certificate replaced when about half its life is over."""
        while True:
            self.look(refresh, held)
            await self.clock.sleep(LOOK_EVERY)


def terms_of(proxy: Proxy) -> Terms:
    """How its certificates are made: as its metadata says, under the names of Istio's agent."""
    said = dict(proxy.metadata)
    ttl = Duration.parse(said[SECRET_TTL]).seconds if SECRET_TTL in said else None
    return Terms(
        lifetime=timedelta(seconds=ttl) if ttl else USUAL.lifetime,
        rsa_bits=int(said.get(RSA_KEY_SIZE, 0)),
    )
