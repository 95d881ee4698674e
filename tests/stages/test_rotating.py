"""A mesh goes over to another root, and at no moment does one proxy refuse another."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.ca.verifying import verify

from lateen.base.clock import FakeClock
from lateen.base.errors import NotPossible
from lateen.base.origin import Origin
from lateen.ca.authority import Authority
from lateen.ca.material import files_of
from lateen.ca.rotation import PATIENCE, Phase
from lateen.envoy.names import SECRET_OWN, SECRET_ROOT
from lateen.envoy.pb.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from lateen.envoy.resources import Resource, ResourceType
from lateen.ir.plan import Proxy, ProxyPlan, Role
from lateen.stages.securing import LOOK_EVERY, OWN_CA, Securing
from lateen.world.build import world_of
from lateen.world.model import SecretData
from lateen.xds.ledger import ProxyState

BOTH = (SECRET_ROOT, SECRET_OWN)


def plan(node: str) -> ProxyPlan:
    """A proxy's plan."""
    identity = f"spiffe://cluster.local/ns/shop/sa/{node}"
    proxy = Proxy(
        id=node,
        role=Role.SIDECAR,
        namespace="shop",
        pod=node,
        address="198.18.0.9",
        identity=identity,
        workload=node,
    )
    return ProxyPlan(proxy=proxy)


class Mesh:
    """Proxies that take what they are sent when the test says so, and a control plane."""

    def __init__(self, folder: Path, *nodes: str) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.brought: SecretData | None = None
        self.nodes = nodes
        self.has: dict[tuple[str, str], Resource] = {}
        self.confirmed: dict[tuple[str, str], Resource] = {}
        self.outbox: list[tuple[str, str]] = []
        self.start()
        for node in nodes:
            self.connect(node)

    def start(self) -> None:
        """The control plane starts, maybe anew: it knows nothing of what was confirmed."""
        self.confirmed.clear()
        self.outbox.clear()
        self.securing = Securing.open(self.folder, self.clock)
        self.securing.put([plan(node) for node in self.nodes], {})
        self.bring(self.brought)

    def bring(self, secret: SecretData | None) -> None:
        """The user's Secret `cacerts` is now this."""
        self.brought = secret
        secrets = {(OWN_CA.namespace, OWN_CA.name): secret} if secret else {}
        world = replace(world_of(()), secrets=secrets)
        self.securing.follow(world, lambda key: Origin(key=key))

    def last_good(self, proxy: str, type_: ResourceType, name: str) -> Resource | None:
        """As the ledger."""
        assert type_ is ResourceType.SECRET
        return self.confirmed.get((proxy, name))

    def state(self, proxy: str) -> ProxyState | None:
        """As the ledger: who ever came is there."""
        if (proxy, SECRET_OWN) not in self.has:
            return None
        return ProxyState(proxy=proxy, connected_since=1.0, programmed=True, types=())

    def connect(self, node: str) -> None:
        """A proxy comes, or comes again: what is good still it keeps."""
        for name in BOTH:
            old = self.has.get((node, name))
            if old is None or not self.securing.still_good(node, name, old.version):
                self.take(node, name)
            else:
                self.confirmed[node, name] = old

    def take(self, node: str, name: str) -> None:
        """A proxy gets a secret, and confirms it."""
        secret = self.securing.secret(node, name)
        assert secret is not None
        self.has[node, name] = self.confirmed[node, name] = secret

    def refresh(self, node: str, names: Iterable[str]) -> None:
        self.outbox += [(node, name) for name in names]

    def wait(self, seconds: float) -> None:
        """Time goes on, with a look each second."""
        for _ in range(int(seconds)):
            asyncio.run(self.clock.advance(LOOK_EVERY))
            self.look()

    def look(self) -> None:
        self.securing.look(self.refresh, self)

    def check(self) -> None:
        """Every proxy would take every other's certificate."""
        now = self.clock.now()
        for holder in self.nodes:
            roots = Secret.FromString(self.has[holder, SECRET_ROOT].body).validation_context
            for peer in self.nodes:
                shown = Secret.FromString(self.has[peer, SECRET_OWN].body).tls_certificate
                chain = shown.certificate_chain.inline_bytes.decode()
                verify(chain, roots.trusted_ca.inline_bytes.decode(), now)

    def phase(self) -> Phase:
        """Where the change of root stands."""
        return self.securing.rotation.phase

    def roots(self, node: str) -> int:
        """How many roots a proxy trusts."""
        secret = Secret.FromString(self.has[node, SECRET_ROOT].body)
        return secret.validation_context.trusted_ca.inline_bytes.count(b"BEGIN CERTIFICATE")


def another_ca(folder: Path) -> SecretData:
    """A CA of the user's, under Istio's file names."""
    made = Authority.open(folder, trust_domain="cluster.local", clock=FakeClock())
    return SecretData(content=files_of(made.material))


def test_each_step_waits_until_every_proxy_has_confirmed_the_one_before(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "ca", "a", "b")
    before = mesh.has["a", SECRET_OWN].version
    mesh.securing.renew_root()
    mesh.look()
    assert mesh.outbox == [("a", SECRET_ROOT), ("b", SECRET_ROOT)]
    mesh.take("a", SECRET_ROOT)
    mesh.wait(3 * PATIENCE)
    assert mesh.phase() is Phase.TRUSTING
    assert mesh.securing.waited_for(mesh) == ("b",)
    mesh.take("b", SECRET_ROOT)
    mesh.wait(2)
    assert mesh.phase() is Phase.REPLACING
    assert mesh.has["a", SECRET_OWN].version == before, "nobody took a new leaf yet"
    assert {name for _, name in mesh.outbox[2:]} == {SECRET_OWN}
    for node in mesh.nodes:
        mesh.take(node, SECRET_OWN)
        mesh.check()
    mesh.wait(2)
    assert mesh.phase() is Phase.STEADY
    assert mesh.roots("a") == 2
    mesh.take("a", SECRET_ROOT)
    assert mesh.roots("a") == 1
    mesh.check()


def test_a_proxy_that_never_came_is_waited_for_a_minute(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "ca", "a")
    mesh.nodes = ("a", "never")
    mesh.securing.put([plan(node) for node in mesh.nodes], {})
    mesh.securing.renew_root()
    mesh.take("a", SECRET_ROOT)
    mesh.wait(PATIENCE - 2)
    assert mesh.securing.waited_for(mesh) == ("never",)
    mesh.wait(4)
    assert mesh.phase() is Phase.REPLACING


def test_with_no_proxies_a_users_ca_signs_at_once(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "ca")
    mesh.bring(another_ca(tmp_path / "theirs"))
    assert mesh.phase() is Phase.STEADY
    assert mesh.securing.authority.plugged
    with pytest.raises(NotPossible, match="istio-system/cacerts is the mesh's CA"):
        mesh.securing.renew_root()


def test_a_ca_that_cannot_serve_is_told_and_the_old_one_goes_on(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "ca", "a")
    theirs = dict(another_ca(tmp_path / "theirs").content)
    mesh.bring(SecretData(content={**theirs, "ca-key.pem": b"no key"}))
    for _ in range(2):
        (problem,) = mesh.securing.problems
        assert problem.origin.key == OWN_CA
        assert problem.message.startswith("ca-key.pem is no private key")
        mesh.bring(mesh.brought)
    assert mesh.phase() is Phase.STEADY
    mesh.bring(SecretData(content=theirs))
    assert mesh.securing.problems == ()
    assert mesh.phase() is Phase.TRUSTING


@given(st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_at_no_moment_does_one_proxy_refuse_another(chance: Random) -> None:
    """Proxies confirm late and in any order, leave and come, and the control plane is killed."""
    with tempfile.TemporaryDirectory() as folder:
        mesh = Mesh(Path(folder) / "ca", "a", "b", "c")
        cas = [None, *(another_ca(Path(folder) / name) for name in ("one", "two"))]
        for _ in range(40):
            match chance.choice(("take", "take", "take", "second", "second", "ca", "root", "kill")):
                case "take" if mesh.outbox:
                    mesh.take(*mesh.outbox.pop(chance.randrange(len(mesh.outbox))))
                case "second":
                    mesh.wait(1)
                case "ca":
                    mesh.bring(chance.choice(cas))
                case "root":
                    with suppress(NotPossible):
                        mesh.securing.renew_root()
                case "kill":
                    mesh.start()
                    for node in chance.sample(mesh.nodes, k=3):
                        mesh.connect(node)
                        mesh.check()
            mesh.check()
        for _ in range(10):  # it comes to an end once everybody answers
            while mesh.outbox:
                mesh.take(*mesh.outbox.pop())
                mesh.check()
            mesh.wait(1)
        assert mesh.phase() is Phase.STEADY
        assert {mesh.roots(node) for node in mesh.nodes} == {1}
