"""What Go's typed clients send: protobuf, read by the tags of Kubernetes' own sources."""

from __future__ import annotations

from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.protobuf import MAGIC, MEDIA_TYPE, tree_from
from tests.apiserver.serve import TOKEN, asked, client_of
from tests.apiserver.world import deps_for, store_with

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def part(number: int, value: bytes | str | int) -> bytes:
    """One field of a message, of fewer than 16384 bytes."""
    if isinstance(value, int):
        return bytes([number << 3]) + size(value)
    data = value.encode() if isinstance(value, str) else value
    return size(number << 3 | 2) + size(len(data)) + data


def size(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])


def envelope(version: str, kind: str, raw: bytes) -> bytes:
    return MAGIC + part(1, part(1, version) + part(2, kind)) + part(2, raw)


METADATA = part(1, part(1, "one") + part(8, b"") + part(11, part(1, "tier") + part(2, "front")))


async def test_a_config_map_is_made_of_protobuf() -> None:
    raw = METADATA + part(2, part(1, "a") + part(2, "1")) + part(3, part(1, "b") + part(2, b"\xff"))
    store = store_with()
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        status, made = await asked(
            client,
            "POST",
            "/api/v1/namespaces/default/configmaps",
            data=envelope("v1", "ConfigMap", raw),
            headers={"Content-Type": MEDIA_TYPE, "Accept": f"{MEDIA_TYPE},application/json"},
        )
    assert status == 201
    assert made["metadata"]["labels"] == {"tier": "front"}
    assert (made["data"], made["binaryData"]) == ({"a": "1"}, {"b": "/w=="})


def test_numbers_pointers_and_parts_of_their_parents() -> None:
    container = part(1, "app") + part(6, part(3, 8080) + part(1, ""))
    volume = part(1, "v") + part(2, part(19, part(1, part(1, "settings"))))
    pod = METADATA + part(2, part(1, volume) + part(2, container) + part(4, 0) + part(11, 0))
    tree = tree_from(envelope("v1", "Pod", pod))
    assert tree["spec"] == {
        "volumes": [{"name": "v", "configMap": {"name": "settings"}}],
        "containers": [{"name": "app", "ports": [{"containerPort": 8080}]}],
        "terminationGracePeriodSeconds": 0,
    }


def test_values_that_json_writes_otherwise() -> None:
    port = part(1, "http") + part(3, 80) + part(4, part(1, 1) + part(3, "web"))
    service = METADATA + part(2, part(1, port) + part(1, part(4, part(1, 0) + part(2, 81))))
    tree = tree_from(envelope("v1", "Service", service))
    ports: list[dict[str, Any]] = tree["spec"]["ports"]
    assert [p["targetPort"] for p in ports] == ["web", 81]
    options = tree_from(envelope("v1", "DeleteOptions", part(1, 5) + part(4, "Orphan")))
    assert (options["gracePeriodSeconds"], options["propagationPolicy"]) == (5, "Orphan")
    lease = part(1, part(8, part(1, 8000))) + part(2, b"")
    made = tree_from(envelope("coordination.k8s.io/v1", "Lease", lease))
    assert made["metadata"]["creationTimestamp"] == "1970-01-01T02:13:20Z"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", 400),
        (MAGIC + b"\x0a\xff", 400),
        (MAGIC + b"\x0b", 400),
        (MAGIC + b"\x80" * 20, 400),
        (envelope("v1", "ConfigMap", part(1, 5)), 400),
        (envelope("v1", "ConfigMap", part(1, b"\x0a\x02\xff\xff")), 400),
        (envelope("networking.istio.io/v1", "Gateway", b""), 415),
        (MAGIC, 415),
    ],
)
def test_what_is_no_such_body_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(ApiFault) as fault:
        tree_from(body)
    assert fault.value.code == code
