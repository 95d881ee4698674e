"""An app fetches its own SVID, with the library a user would take, and hears of each new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from spiffe import WorkloadApiClient
from spiffe.workloadapi.errors import WorkloadApiError
from tests.ca.verifying import verify
from tests.translate.cases import objects_in

from lateen.api.decode import decode_tree
from lateen.api.objects import Obj
from lateen.base import layout
from lateen.base.clock import SystemClock
from lateen.ca.authority import Authority
from lateen.ca.workloadapi import SERVICE
from lateen.stages.attesting import Attesting
from lateen.stages.resolving import slot_of
from lateen.world.build import world_of

PODS = """
pods:
  shop:
    web: {ip: 198.18.0.20, labels: {app: web}}
    db: {ip: 198.18.0.21, labels: {app: db}}
    plain: {ip: 198.18.0.22}
"""


class Served:
    """Two pods that ask for their identities, and one that does not."""

    def __init__(self, folder: Path) -> None:
        authority = Authority.open(folder / "ca", trust_domain="cluster.local", clock=SystemClock())
        self.attesting = Attesting.of(authority, folder, SystemClock())
        self.folder = folder
        self.uids: dict[str, str] = {}
        self.put("web", "db", "plain")

    def put(self, *names: str) -> None:
        """These pods are there; all but `plain` have the volume."""
        pods = [o for o in objects_in(PODS) if o.key.kind == "Pod" and o.key.name in names]
        found: list[Obj] = []
        for obj in pods:
            csi = {"name": "id", "csi": {"driver": "csi.spiffe.io", "readOnly": True}}
            spec = {**obj.raw["spec"], "volumes": [] if obj.key.name == "plain" else [csi]}
            metadata = {**obj.raw["metadata"], "uid": obj.key.name}
            raw = {**obj.raw, "metadata": metadata, "spec": spec}
            found += decode_tree(raw, places=None).objects
        self.attesting.put(found, world_of(found))

    def socket(self, pod: str) -> Path:
        return layout.identity_socket(self.folder, slot_of(pod))


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    made = Served(folder)
    task = asyncio.create_task(made.attesting.serving())
    await until(lambda: made.socket("web").exists() and made.socket("db").exists())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - of other threads and of the file system
            await asyncio.sleep(0.01)


async def fetched(socket: Path) -> Any:
    def fetch() -> Any:
        with WorkloadApiClient(f"unix:{socket}") as client:
            return client.fetch_x509_context()

    return await asyncio.to_thread(fetch)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def test_each_pod_is_given_its_own_identity_with_the_roots(short: Path) -> None:
    async def run() -> None:
        async with served(short) as made:
            keys = set()
            for pod in ("web", "db"):
                context = await fetched(made.socket(pod))
                svid = context.default_svid
                assert str(svid.spiffe_id) == "spiffe://cluster.local/ns/shop/sa/default"
                chain = "".join(map(_pem, svid.cert_chain))
                verify(chain, made.attesting.authority.bundle_pem, SystemClock().now())
                (bundle,) = context.x509_bundle_set.bundles
                assert str(bundle.trust_domain) == "cluster.local"
                keys.add(svid.private_key.private_numbers().private_value)
                assert made.socket(pod).stat().st_mode & 0o077 == 0
            assert len(keys) == 2
            assert not made.socket("plain").exists()

    asyncio.run(run())


def test_a_new_leaf_is_pushed_and_a_pod_that_is_gone_is_told_nothing_more(short: Path) -> None:
    async def run() -> None:
        async with served(short) as made:
            seen: list[int] = []
            with WorkloadApiClient(f"unix:{made.socket('web')}") as client:
                stream = client.stream_x509_contexts(
                    on_success=lambda c: seen.append(c.default_svid.leaf.serial_number),
                    on_error=lambda _: None,
                )
                await until(lambda: len(seen) == 1)
                made.attesting.wallet.replace_all()
                await until(lambda: len(set(seen)) == 2)
                await asyncio.to_thread(stream.cancel)
            made.put("db")
            await until(lambda: not made.socket("web").exists())
            assert made.socket("db").exists()

    asyncio.run(run())


def test_a_call_without_the_header_is_refused_and_what_is_not_issued_is_said_to_be(
    short: Path,
) -> None:
    async def run() -> None:
        async with served(short) as made:
            async with grpc.aio.insecure_channel(f"unix:{made.socket('web')}") as channel:
                call = channel.unary_stream(f"/{SERVICE}/FetchX509SVID")(b"")
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call.read()
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

            def fetch() -> None:
                with WorkloadApiClient(f"unix:{made.socket('web')}") as client:
                    client.fetch_jwt_svid(audience={"them"})

            with pytest.raises(WorkloadApiError):
                await asyncio.to_thread(fetch)

    asyncio.run(run())
