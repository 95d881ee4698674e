"""Secrets at rest: never plain in the file, kept readable through a change of keys."""

from __future__ import annotations

import base64
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from lateen.api.kinds import register
from lateen.base.clock import FakeClock
from lateen.base.errors import EnvironmentFault
from lateen.base.origin import ObjectKey
from lateen.check.admission import admit
from lateen.cluster.applying import apply_files
from lateen.sources.files import read_paths
from lateen.store.encryption import open_encryption
from lateen.store.sqlite import SqliteStore
from tests.apiserver.definitions import crontab, definition

KEY = ObjectKey(group="", kind="Secret", namespace="default", name="db")
WORD = base64.b64encode(b"open sesame").decode()
Tree = dict[str, Any]


@pytest.fixture(autouse=True)
def _nothing_stays_defined() -> Iterator[None]:
    yield
    register(())


def secret(kind: str = "Secret") -> Tree:
    metadata = {"name": "db", "namespace": "default"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"password": WORD}}


def opened(folder: Path, *, sealed: bool = True) -> SqliteStore:
    codec = open_encryption(folder / "encryption.yaml") if sealed else None
    return SqliteStore.open(folder / "store.db", codec=codec)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("store.db*"))


def configure(folder: Path, *providers: Tree, resources: tuple[str, ...] = ("secrets",)) -> None:
    path = folder / "encryption.yaml"
    tree = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": list(resources), "providers": list(providers)}],
    }
    path.write_text(yaml.safe_dump(tree))
    path.chmod(0o600)


def aesgcm(*names: str) -> Tree:
    keys = [
        {"name": name, "secret": base64.b64encode(name.encode().ljust(32, b"x")).decode()}
        for name in names
    ]
    return {"aesgcm": {"keys": keys}}


def test_a_secret_is_never_plain_in_the_file(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put(secret())
    store.put(secret() | {"data": {"password": WORD, "more": WORD}})
    assert WORD.encode() not in on_disk(tmp_path)
    store.close()
    assert WORD.encode() not in on_disk(tmp_path)
    assert stat.S_IMODE((tmp_path / "encryption.yaml").stat().st_mode) == 0o600
    again = opened(tmp_path)
    found = again.get(KEY)
    assert found is not None
    assert found.raw["data"]["password"] == WORD
    again.close()


def test_what_files_said_of_a_secret_is_sealed_too(tmp_path: Path) -> None:
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "secret.yaml").write_text(yaml.safe_dump(secret()))
    store = opened(tmp_path)
    admission = admit(read_paths([str(manifests)]).decoded)
    assert apply_files(store, admission.objects, FakeClock()).created == (KEY,)
    store.close()
    assert WORD.encode() not in on_disk(tmp_path)


def test_plain_rows_of_before_are_sealed_at_start(tmp_path: Path) -> None:
    store = opened(tmp_path, sealed=False)
    store.put(secret())
    store.put(secret("ConfigMap"))
    store.delete(ObjectKey(group="", kind="ConfigMap", namespace="default", name="db"))
    since = store.revision - 3
    store.close()
    assert WORD.encode() in on_disk(tmp_path)
    opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        rows = dict(db.execute("SELECT kind, raw FROM objects"))
        assert rows["Secret"].startswith(b"k8s:enc:aesgcm:v1:key1:")
    again = opened(tmp_path)
    watch = again.watch(since=since)
    watch.close()
    again.close()


def test_a_change_of_keys_seals_anew(tmp_path: Path) -> None:
    configure(tmp_path, aesgcm("old"))
    store = opened(tmp_path)
    store.put(secret())
    store.close()
    configure(tmp_path, aesgcm("new", "old"))
    opened(tmp_path).close()
    assert b"v1:old:" not in on_disk(tmp_path)
    configure(tmp_path, aesgcm("new"))
    store = opened(tmp_path)
    assert store.get(KEY) is not None
    store.close()
    configure(tmp_path, {"identity": {}}, aesgcm("new"))
    opened(tmp_path).close()
    assert WORD.encode() in on_disk(tmp_path)


BOOK = Path(__file__).parents[2] / "examples" / "book" / "06.3-encryption.yaml"


def as_the_book_says(folder: Path, secret: bytes) -> None:
    path = folder / "encryption.yaml"
    key = base64.b64encode(secret).decode()
    path.write_text(BOOK.read_text().replace("<base64-encoded-32-byte-key>", key))
    path.chmod(0o600)


def test_the_books_configuration_seals_secrets_with_aes_cbc(tmp_path: Path) -> None:
    as_the_book_says(tmp_path, b"x" * 32)
    store = opened(tmp_path)
    store.put(secret())
    store.put(secret("ConfigMap"))
    store.close()
    assert b"k8s:enc:aescbc:v1:key1:" in on_disk(tmp_path)
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        rows = dict(db.execute("SELECT kind, raw FROM objects"))
    assert WORD.encode() not in rows["Secret"]
    assert WORD.encode() in rows["ConfigMap"]
    again = opened(tmp_path)
    found = again.get(KEY)
    assert found is not None
    assert found.raw["data"]["password"] == WORD
    again.close()


def test_the_books_placeholder_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "encryption.yaml"
    path.write_bytes(BOOK.read_bytes())
    path.chmod(0o600)
    with pytest.raises(EnvironmentFault, match="a secret of 16, 24 or 32 bytes in base64"):
        open_encryption(path)


def test_from_aes_cbc_to_gcm_rows_are_sealed_anew(tmp_path: Path) -> None:
    as_the_book_says(tmp_path, b"x" * 32)
    store = opened(tmp_path)
    store.put(secret())
    store.close()
    old = {"aescbc": {"keys": [{"name": "key1", "secret": base64.b64encode(b"x" * 32).decode()}]}}
    configure(tmp_path, aesgcm("key1"), old)
    opened(tmp_path).close()
    assert b"aescbc" not in on_disk(tmp_path)
    configure(tmp_path, aesgcm("key1"))
    opened(tmp_path).close()


@pytest.mark.parametrize("change", ["another place", "another byte", "another key"])
def test_a_row_of_aes_cbc_that_was_changed_is_found_out(tmp_path: Path, change: str) -> None:
    as_the_book_says(tmp_path, b"x" * 32)
    store = opened(tmp_path)
    store.put(secret())
    store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as db, db:
        (raw,) = db.execute("SELECT raw FROM objects WHERE kind = 'Secret'").fetchone()
        if change == "another place":
            db.execute("UPDATE objects SET name = 'other' WHERE kind = 'Secret'")
        elif change == "another byte":
            spoilt = raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]
            db.execute("UPDATE objects SET raw = ? WHERE kind = 'Secret'", (spoilt,))
        else:
            as_the_book_says(tmp_path, b"y" * 32)
    with pytest.raises(EnvironmentFault, match="cannot be decrypted"):
        opened(tmp_path)


def test_a_lost_key_is_named(tmp_path: Path) -> None:
    configure(tmp_path, aesgcm("old"))
    store = opened(tmp_path)
    store.put(secret())
    store.close()
    configure(tmp_path, aesgcm("new"))
    with pytest.raises(EnvironmentFault, match="encrypted with the key 'old'"):
        opened(tmp_path)
    with pytest.raises(EnvironmentFault, match="encrypted with the key 'old'"):
        opened(tmp_path, sealed=False)


def test_a_row_in_anothers_place_is_found_out(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put(secret())
    store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as db, db:
        db.execute("UPDATE objects SET name = 'other' WHERE kind = 'Secret'")
    with pytest.raises(EnvironmentFault, match="cannot be decrypted"):
        opened(tmp_path)


def test_defined_kinds_can_be_sealed(tmp_path: Path) -> None:
    configure(tmp_path, aesgcm("one"), resources=("crontabs.example.com",))
    store = opened(tmp_path)
    store.put(definition())
    store.put(crontab(schedule="1 2 3 4 5"))
    store.close()
    register(())
    assert b"1 2 3 4 5" not in on_disk(tmp_path)
    opened(tmp_path).close()
    assert b"1 2 3 4 5" not in on_disk(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: [", "wanted an EncryptionConfiguration"),
        ("{apiVersion: v1, kind: x}", "wanted an EncryptionConfiguration"),
        (
            yaml.safe_dump(
                {
                    "apiVersion": "apiserver.config.k8s.io/v1",
                    "kind": "EncryptionConfiguration",
                    "resources": [{"resources": ["secrets"], "providers": [{"kms": {}}]}],
                }
            ),
            "wanted an EncryptionConfiguration",
        ),
        (
            yaml.safe_dump(
                {
                    "apiVersion": "apiserver.config.k8s.io/v1",
                    "kind": "EncryptionConfiguration",
                    "resources": [
                        {
                            "resources": ["secrets"],
                            "providers": [
                                {"aesgcm": {"keys": [{"name": "a", "secret": "c2hvcnQ="}]}}
                            ],
                        }
                    ],
                }
            ),
            "a secret of 16, 24 or 32 bytes",
        ),
    ],
)
def test_a_configuration_that_cannot_be_honoured_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "encryption.yaml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(EnvironmentFault, match=words):
        open_encryption(path)
    path.chmod(0o644)
    with pytest.raises(EnvironmentFault, match="can be read by others"):
        open_encryption(path)
