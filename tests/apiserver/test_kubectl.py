"""The real kubectl against the API over TLS; left out where no kubectl is installed."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from lateen.api.kinds import register
from lateen.apiserver.app import make_app
from lateen.apiserver.kubeconfig import kubeconfig, write_kubeconfig
from lateen.apiserver.serving import TlsListener, serving
from lateen.store.memory import MemoryStore
from tests.apiserver.certificates import self_signed
from tests.apiserver.definitions import crontab, definition
from tests.apiserver.serve import TOKEN
from tests.apiserver.world import (
    config_map,
    deployment,
    deps_for,
    pod,
    store_with,
    virtual_service,
)

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _nothing_stays_defined() -> Iterator[None]:
    yield
    register(())


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the kubeconfig of a served store."""

    home: Path

    async def __call__(self, *words: str, stdin: str = "") -> str:
        """Its output; fails the test if it fails."""
        status, out, err = await self.run(*words, stdin=stdin)
        assert status == 0, f"kubectl {' '.join(words)}: {err}"
        return out

    async def run(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        """Exit status, output, errors."""
        process = await asyncio.create_subprocess_exec(
            KUBECTL or "kubectl",
            f"--kubeconfig={self.home / 'kubeconfig'}",
            f"--cache-dir={self.home / 'cache'}",
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(stdin.encode())
        return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def kubectl_for(store: MemoryStore, home: Path) -> AsyncIterator[Kubectl]:
    """Serve the store over TLS and give a kubectl for it."""
    app = make_app(store, deps_for(store, logs=home / "pods"), token=TOKEN)
    async with kubectl_serving(app, home) as kubectl:
        yield kubectl


@asynccontextmanager
async def kubectl_serving(app: web.Application, home: Path) -> AsyncIterator[Kubectl]:
    """Serve an application over TLS and give a kubectl for it."""
    certificate, key = self_signed()
    listener = TlsListener(port=0, certificate=certificate, key=key)
    async with serving(app, unix=home / "api.sock", tls=listener) as port:
        tree = kubeconfig(name="default", port=port, ca_pem=certificate, token=TOKEN)
        write_kubeconfig(home / "kubeconfig", tree)
        yield Kubectl(home)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


async def test_get_prints_the_columns_of_kubernetes(tmp_path: Path) -> None:
    store = store_with(
        pod("web-1", app="web"),
        deployment("web", replicas=2),
        virtual_service("api", ("web", 90), ("other", 10)),
        config_map("one", a="1"),
    )
    async with kubectl_for(store, tmp_path) as kubectl:
        heading, row = rows(await kubectl("get", "pods"))
        assert heading == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
        assert row[:4] == ["web-1", "2/2", "Running", "0"]
        heading, row = rows(await kubectl("get", "po", "-o", "wide"))
        assert heading[5:7] == ["IP", "NODE"]
        assert row[5:7] == ["198.18.0.7", "lateen"]
        heading, row = rows(await kubectl("get", "deploy", "web"))
        assert heading == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
        assert row[:2] == ["web", "0/2"]
        heading, row = rows(await kubectl("get", "vs"))
        assert heading == ["NAME", "GATEWAYS", "HOSTS", "AGE"]
        assert row[:3] == ["api", '["main-gateway"]', '["*"]']
        heading, row = rows(await kubectl("get", "cm", "-A"))
        assert heading == ["NAMESPACE", "NAME", "DATA", "AGE"]
        assert row[:3] == ["default", "one", "1"]
        assert "pod/web-1" in await kubectl("get", "all")
        assert await kubectl("get", "pods", "-l", "app=web", "-o", "name") == "pod/web-1\n"


async def test_objects_come_as_yaml_and_json(tmp_path: Path) -> None:
    async with kubectl_for(store_with(config_map("one", a="1")), tmp_path) as kubectl:
        assert yaml.safe_load(await kubectl("get", "cm/one", "-o", "yaml"))["data"] == {"a": "1"}
        found = json.loads(await kubectl("get", "cm", "-o", "json"))
        assert [item["metadata"]["name"] for item in found["items"]] == ["one"]


async def test_apply_creates_changes_and_deletes(tmp_path: Path) -> None:
    first, second = deployment("web", replicas=1), deployment("web", replicas=3)
    container = second["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "COLOR", "value": "blue"}]
    service = virtual_service("api", ("web", 100))
    store = store_with()
    async with kubectl_for(store, tmp_path) as kubectl:
        assert "created" in await kubectl("apply", "-f", "-", stdin=json.dumps(first))
        assert "unchanged" in await kubectl("apply", "-f", "-", stdin=json.dumps(first))
        assert "configured" in await kubectl("apply", "-f", "-", stdin=json.dumps(second))
        assert "created" in await kubectl("apply", "-f", "-", stdin=json.dumps(service))
        service["spec"]["hosts"] = ["shop.example.com"]
        assert "configured" in await kubectl("apply", "-f", "-", stdin=json.dumps(service))
        made = json.loads(await kubectl("get", "deploy/web", "-o", "json"))
        assert made["spec"]["replicas"] == 3
        env = made["spec"]["template"]["spec"]["containers"][0]["env"]
        assert env == [{"name": "COLOR", "value": "blue"}]
        assert "deleted" in await kubectl("delete", "deploy", "web")
        assert "NotFound" in (await kubectl.run("get", "deploy", "web"))[2]


async def test_apply_says_what_is_wrong(tmp_path: Path) -> None:
    bad = deployment("web")
    bad["spec"]["replicsa"] = 3
    async with kubectl_for(store_with(), tmp_path) as kubectl:
        status, _, said = await kubectl.run("apply", "-f", "-", stdin=json.dumps(bad))
    assert status == 1
    assert "spec.replicsa" in said


async def test_small_changes(tmp_path: Path) -> None:
    store = store_with(deployment("web"), config_map("one", a="1"))
    async with kubectl_for(store, tmp_path) as kubectl:
        await kubectl("label", "cm", "one", "tier=front")
        await kubectl("annotate", "cm", "one", "note=hello")
        await kubectl("scale", "deploy/web", "--replicas=4")
        await kubectl("patch", "cm", "one", "--type=json", "-p", _ADD_B)
        await kubectl("set", "image", "deploy/web", "app=web:2")
        one = json.loads(await kubectl("get", "cm", "one", "-o", "json"))
        web = json.loads(await kubectl("get", "deploy", "web", "-o", "json"))
    assert one["metadata"]["labels"] == {"tier": "front"}
    assert one["metadata"]["annotations"] == {"note": "hello"}
    assert one["data"] == {"a": "1", "b": "2"}
    assert web["spec"]["replicas"] == 4
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert web["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 8080


_ADD_B = '[{"op": "add", "path": "/data/b", "value": "2"}]'


async def test_describe_logs_and_discovery(tmp_path: Path) -> None:
    store = store_with(pod("web-1", app="web"))
    uid = json.loads(json.dumps(store.list(kind="Pod")[0].raw))["metadata"]["uid"]
    folder = tmp_path / "pods" / f"default_web-1_{uid}" / "app"
    folder.mkdir(parents=True)
    (folder / "0.log").write_text(
        "2026-01-01T00:00:00.000000000Z stdout F first\n"
        "2026-01-01T00:00:01.000000000Z stderr F second\n"
    )
    async with kubectl_for(store, tmp_path) as kubectl:
        described = await kubectl("describe", "pod", "web-1")
        assert "198.18.0.7" in described
        assert await kubectl("logs", "web-1") == "first\nsecond\n"
        assert await kubectl("logs", "web-1", "--tail=1") == "second\n"
        resources = await kubectl("api-resources")
        assert "virtualservices" in resources
        assert "REPLICAS" not in await kubectl("explain", "pods")
        assert "replicas" in await kubectl("explain", "deployment.spec")
        old = await kubectl(
            "explain", "deployment.spec.template.spec", "--output=plaintext-openapiv2"
        )
        assert "containers" in old
        assert "Server Version: v1." in await kubectl("version")


async def test_wait_sees_the_change(tmp_path: Path) -> None:
    store = store_with(config_map("one"), pod("web-1"))
    async with kubectl_for(store, tmp_path) as kubectl:
        waiting = asyncio.create_task(
            kubectl("wait", "pod/web-1", "--for=jsonpath={.status.phase}=Failed", "--timeout=20s")
        )
        store.put_status(store.list(kind="Pod")[0].key, {"phase": "Failed"})
        assert "condition met" in await waiting


async def test_a_defined_kind_is_explained_and_its_fields_are_known(tmp_path: Path) -> None:
    store = store_with()
    async with kubectl_for(store, tmp_path) as kubectl:
        await kubectl("create", "-f", "-", stdin=json.dumps(definition()))
        told = await kubectl("explain", "crontab.spec")
        assert "schedule" in told
        assert "-required-" in told
        assert "<integer>" in told
        await kubectl("apply", "-f", "-", stdin=json.dumps(crontab(free={"any": [1]}, port="http")))
        status, _, err = await kubectl.run(
            "apply", "-f", "-", stdin=json.dumps(crontab(nonsense=1))
        )
        assert status == 1
        assert 'unknown field "' in err
        assert "nonsense" in err
