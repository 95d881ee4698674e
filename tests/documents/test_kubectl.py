"""The documents through the API, by the real kubectl; left out where no kubectl is installed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from lateen.base.origin import ObjectKey
from lateen.cluster.builtinroles import BUILT_IN
from tests.apiserver.roles import binding, of_account
from tests.apiserver.test_kubectl import KUBECTL, kubectl_for
from tests.apiserver.world import namespace, store_with
from tests.documents.assumed import EXAMPLES, FOLDERS
from tests.documents.outcomes import Verdict, modern_forms, outcomes

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]
NAMESPACES = (
    *("default", "istio-system", "tenant-a", "your-namespace", "development", "production"),
    *("example-namespace", "team-a", "finance"),
)
# What the API takes, as Kubernetes does, and files are refused for: there is no such port.
_LATER = "05-egress-gateway"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def chosen(source: str, *verdicts: Verdict) -> tuple[Path, ...]:
    found = (o.file for o in outcomes(source) if o.verdict in verdicts or o.file == _LATER)
    return tuple(FOLDERS[source] / f"{name}.yaml" for name in dict.fromkeys(found))


def flags(files: Iterable[Path]) -> list[str]:
    return [word for file in files for word in ("-f", str(file))]


def keys(files: Iterable[Path]) -> set[tuple[str, str]]:
    return {
        (document["kind"], document["metadata"]["name"])
        for file in files
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    }


async def test_kubectl_applies_every_document_that_is_accepted(tmp_path: Path) -> None:
    store = store_with(*(namespace(name) for name in NAMESPACES))
    guide, *others = (chosen(s, Verdict.ACCEPTED, Verdict.WARNED) for s in FOLDERS)
    modern = (form for source in FOLDERS for form in modern_forms(source))
    files = (*guide, *(file for some in others for file in some), *modern)
    async with kubectl_for(store, tmp_path) as kubectl:
        said = await kubectl("apply", *flags(files))
        again = await kubectl("apply", *flags([EXAMPLES / "guide" / "ja" / f.name for f in guide]))
    assert {(o.key.kind, o.key.name) for o in store.list()} >= keys(files)
    assert len(said.splitlines()) >= len(files)
    assert "error" not in again


async def test_the_second_way_to_the_database_takes_the_place_of_the_first(tmp_path: Path) -> None:
    store = store_with(namespace("default"))
    async with kubectl_for(store, tmp_path) as kubectl:
        for way in ("name", "address"):
            file = FOLDERS["guide"] / f"10{'ab'[way == 'address']}-external-database-by-{way}.yaml"
            await kubectl("apply", "-f", str(file))
    key = ObjectKey(group="", kind="Service", namespace="default", name="external-postgres")
    service = store.get(key)
    assert service is not None
    spec = service.raw["spec"]
    assert (spec["type"], spec.get("externalName")) == ("ClusterIP", None)
    assert spec["ports"] == [{"protocol": "TCP", "targetPort": 5432, "port": 5432}]


async def test_kubectl_is_told_what_is_written_today(tmp_path: Path) -> None:
    store = store_with(*(namespace(name) for name in NAMESPACES))
    files = [f for f in chosen("book", Verdict.REFUSED) if f.exists()]
    async with kubectl_for(store, tmp_path) as kubectl:
        status, _, said = await kubectl.run("apply", *flags(files))
    assert status
    assert [o.key.kind for o in store.list() if o.key.kind != "Namespace"] == []
    path = "spec.trafficPolicy.outlierDetection.consecutiveErrors"
    assert f'unknown field "{path}" (Istio took it away: write consecutive5xxErrors' in said
    assert 'unknown field "spec.trafficPolicy.retry" (retries stand in a VirtualService' in said
    assert 'no matches for kind "QuotaSpec" in version "config.istio.io/v1alpha2"' in said
    assert "spec.selector" in said
    assert "base64" in said


async def test_the_books_roles_let_do_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    given = (
        binding("team", "team-a-role", of_account("deployer", "team-a"), namespace="team-a"),
        binding(
            "reader", "transaction-reader", of_account("payments", "finance"), namespace="finance"
        ),
    )
    spaces = (namespace(name) for name in NAMESPACES)
    store = store_with(*spaces, *given, *BUILT_IN)
    roles = [FOLDERS["book"] / f"{n}-role.yaml" for n in ("06.1", "12.2", "12.4")]
    async with kubectl_for(store, tmp_path) as kubectl:
        await kubectl("apply", *flags([*roles, FOLDERS["book"] / "06.1-rolebinding.yaml"]))

        async def may(who: str, verb: str, what: str, space: str) -> bool:
            words = ("auth", "can-i", verb, what, "-n", space, f"--as={who}", "--quiet")
            return not (await kubectl.run(*words))[0]

        jane = "jane.doe@example.com"
        assert await may(jane, "list", "pods", "development")
        assert not await may(jane, "delete", "pods", "development")
        assert not await may(jane, "list", "pods", "production")
        deployer = "system:serviceaccount:team-a:deployer"
        assert await may(deployer, "create", "configmaps", "team-a")
        assert not await may(deployer, "create", "deployments.apps", "team-a")
        payments = "system:serviceaccount:finance:payments"
        assert await may(payments, "get", "transactions", "finance")
        assert not await may(payments, "delete", "transactions", "finance")
        assert not await may(payments, "get", "secrets", "finance")
