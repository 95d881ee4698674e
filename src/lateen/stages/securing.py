"""Give each proxy its certificate, the roots, and its gateway's certificates; renew them in time.

In: the CA's wallet, this round's plans.    Out: SDS resources, asked for by proxy and name.
Before: ca/, stages/planning.py       After: xds/server.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lateen.base.clock import Clock
from lateen.ca.authority import Authority
from lateen.ca.secrets import Wallet
from lateen.ca.subject import Subject
from lateen.envoy.names import SECRET_OWN, SECRET_ROOT
from lateen.envoy.resources import Resource, Resources, ResourceType
from lateen.envoy.tls import emit_root, emit_secret
from lateen.ir.plan import ProxyPlan
from lateen.world.model import CLUSTER_DOMAIN

LOOK_EVERY = 1.0  # seconds between looks for certificates that are due


@dataclass(kw_only=True)
class Securing:
    """The secrets of all proxies; keys are in memory only."""

    authority: Authority
    clock: Clock
    wallet: Wallet
    _resources: Mapping[str, Resources] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, folder: Path, clock: Clock) -> Securing:
        """With the CA kept in that folder, made there if there is none."""
        authority = Authority.open(folder, trust_domain=CLUSTER_DOMAIN, clock=clock)
        return cls(authority=authority, clock=clock, wallet=Wallet(authority, clock))

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
            self.wallet.admit(proxy.id, proxy.identity, subject)
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

    async def renewing(self, refresh: Callable[[str, Iterable[str]], None]) -> None:
        """Have every certificate replaced when about half its life is over."""
        while True:
            for node_id in self.wallet.due():
                refresh(node_id, (SECRET_OWN,))
            await self.clock.sleep(LOOK_EVERY)
