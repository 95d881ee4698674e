"""Serve the SPIFFE Workload API to the pods that ask for it, each on a socket that it alone sees.

In: pods with a volume of driver csi.spiffe.io, the CA.    Out: sockets below RUN/w; leaves for apps.
Before: stages/securing.py, ca/workloadapi.py              After: app/control.py

An app's key is not its proxy's: each is issued a leaf of its own for the same identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lateen.api.objects import Obj
from lateen.api.pod import SPIFFE_DRIVER, Pod
from lateen.base import layout
from lateen.base.clock import Clock
from lateen.ca.authority import Authority
from lateen.ca.material import load_key
from lateen.ca.secrets import Held, Wallet
from lateen.ca.subject import Subject
from lateen.ca.workloadapi import Svid, WorkloadApi, unlink
from lateen.stages.resolving import slot_of
from lateen.world.model import Workload, World

_DER = serialization.Encoding.DER


def asks(obj: Obj) -> bool:
    """Whether the pod has a volume for the Workload API's socket."""
    pod = obj.typed
    return isinstance(pod, Pod) and any(
        volume.csi is not None and volume.csi.driver == SPIFFE_DRIVER for volume in pod.spec.volumes
    )


@dataclass(kw_only=True)
class Attesting:
    """The servers there are, and those there should be."""

    authority: Authority
    wallet: Wallet
    run_dir: Path
    clock: Clock
    _wanted: dict[str, Workload] = field(default_factory=dict)
    _serving: dict[str, WorkloadApi] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, authority: Authority, run_dir: Path, clock: Clock) -> Attesting:
        """With leaves of that authority."""
        wallet = Wallet(authority, clock)
        return cls(authority=authority, wallet=wallet, run_dir=run_dir, clock=clock)

    def folder(self, pod: Pod) -> str:
        """The folder of this machine that a pod's volume shows."""
        return str(layout.identity_folder(self.run_dir, slot_of(pod.metadata.uid)))

    def put(self, pods: Iterable[Obj], world: World) -> None:
        """Say which pods there are."""
        found = (
            world.workloads.get((obj.key.namespace, obj.key.name)) for obj in pods if asks(obj)
        )
        wanted = {w.uid: w for w in found if w is not None and w.address and not w.ended}
        for uid in self._wanted.keys() - wanted.keys():
            self.wallet.forget(uid)
        for uid, workload in wanted.items():
            self.wallet.admit(uid, workload.identity, _subject(workload))
        if wanted.keys() != self._wanted.keys():
            self._changed.set()
        self._wanted = wanted

    async def serving(self) -> None:
        """Keep a server for each pod that asks; end all of them when cancelled."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                for uid in self._serving.keys() - self._wanted.keys():
                    await self._stop(uid)
                for uid in self._wanted.keys() - self._serving.keys():
                    api = WorkloadApi(partial(self.svid, uid), self.clock)
                    await api.start(self._socket(uid))
                    self._serving[uid] = api
        finally:
            for uid in tuple(self._serving):
                await self._stop(uid)

    def svid(self, uid: str) -> Svid | None:
        """What the app of that pod holds now."""
        held = self.wallet.held(uid)
        return (
            None
            if held is None
            else _svid(self._wanted[uid].identity, held, self.authority.bundle_pem)
        )

    async def _stop(self, uid: str) -> None:
        await self._serving.pop(uid).stop()
        unlink(self._socket(uid))

    def _socket(self, uid: str) -> Path:
        return layout.identity_socket(self.run_dir, slot_of(uid))


def _svid(identity: str, held: Held, roots: str) -> Svid:
    key = load_key(held.leaf.key_pem.encode())
    return Svid(
        spiffe_id=identity,
        chain=_der(held.leaf.chain_pem),
        key=key.private_bytes(
            _DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        roots=_der(roots),
    )


def _der(pem: str) -> bytes:
    return b"".join(c.public_bytes(_DER) for c in x509.load_pem_x509_certificates(pem.encode()))


def _subject(workload: Workload) -> Subject:
    return Subject(
        workload=workload.workload,
        namespace=workload.namespace,
        pod=workload.name,
        app=workload.app,
        version=workload.version,
        service=workload.app or workload.workload,
    )
