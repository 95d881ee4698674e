"""Certificates: made, kept, verified, renewed."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    VerificationError,
)
from hypothesis import given
from hypothesis import strategies as st

from lateen.base.clock import FakeClock
from lateen.base.errors import EnvironmentFault
from lateen.ca.authority import Authority, Leaf, Terms, renew_at
from lateen.ca.subject import Subject
from tests.ca.verifying import verify

WEB = "spiffe://cluster.local/ns/shop/sa/web"
WHO = Subject(workload="web", namespace="shop", pod="web-5d4f", app="web", version="v1")


def opened(folder: Path, clock: FakeClock | None = None) -> Authority:
    return Authority.open(folder, trust_domain="cluster.local", clock=clock or FakeClock())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_leaf_is_verified_through_the_intermediate_up_to_the_root(tmp_path: Path) -> None:
    clock = FakeClock()
    authority = opened(tmp_path / "ca", clock)
    leaf = authority.issue(WEB, subject=WHO)
    chain = verify(leaf.chain_pem, authority.bundle_pem, clock.now())
    assert len(chain) == 3
    certificate = chain[0]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [WEB]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert certificate.serial_number == leaf.serial
    key = load_pem_private_key(leaf.key_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == certificate.public_key()
    limits = [
        c.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        for c in chain[1:]
    ]
    assert limits == [0, 1]


def test_openssl_agrees(tmp_path: Path) -> None:
    authority = Authority.open(
        tmp_path / "ca", trust_domain="cluster.local", clock=FakeClock(datetime.now(UTC))
    )
    leaf, chain, bundle = tmp_path / "leaf", tmp_path / "chain", tmp_path / "bundle"
    leaf.write_text(authority.issue(WEB, subject=WHO).chain_pem)
    chain.write_bytes((tmp_path / "ca" / "ca-cert.pem").read_bytes())
    bundle.write_text(authority.bundle_pem)
    files = ("-CAfile", bundle, "-untrusted", chain, leaf)
    for purpose in ("sslclient", "sslserver"):
        done = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-purpose", purpose, *files],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_a_leaf_is_not_valid_too_early_nor_too_long(tmp_path: Path) -> None:
    clock = FakeClock()
    authority = opened(tmp_path / "ca", clock)
    leaf = authority.issue(WEB, subject=WHO, terms=Terms(lifetime=timedelta(hours=1)))
    assert leaf.not_before == clock.now() - timedelta(minutes=1)
    assert leaf.not_after == clock.now() + timedelta(hours=1)
    with pytest.raises(VerificationError):
        verify(leaf.chain_pem, authority.bundle_pem, leaf.not_after + timedelta(seconds=1))


def test_files_are_private_and_no_leaf_key_is_among_them(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "ca"
    leaf = opened(folder).issue(WEB, subject=WHO)
    assert mode(folder) == 0o700
    assert sorted(p.name for p in folder.iterdir()) == [
        "ca-cert.pem",
        "ca-key.pem",
        "root-cert.pem",
        "root-key.pem",
    ]
    assert {mode(p) for p in folder.iterdir()} == {0o600}
    assert all(leaf.key_pem not in p.read_text() for p in folder.iterdir())
    assert leaf.key_pem not in repr(leaf)


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        opened(tmp_path / "ca")
    finally:
        os.umask(before)
    assert mode(tmp_path / "ca") == 0o700
    assert {mode(p) for p in (tmp_path / "ca").iterdir()} == {0o600}


def test_the_same_authority_is_there_after_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path)
    second = opened(tmp_path)
    assert second.bundle_pem == first.bundle_pem
    assert second.derived_key("x") == first.derived_key("x")
    assert second.derived_key("x") != second.derived_key("y")


def test_it_works_without_the_root_key(tmp_path: Path) -> None:
    clock = FakeClock()
    bundle = opened(tmp_path, clock).bundle_pem
    (tmp_path / "root-key.pem").unlink()
    leaf = opened(tmp_path, clock).issue(WEB, subject=WHO)
    assert verify(leaf.chain_pem, bundle, clock.now())
    assert not (tmp_path / "root-key.pem").exists()


def test_the_intermediate_is_renewed_at_half_its_life(tmp_path: Path) -> None:
    clock = FakeClock()
    authority = opened(tmp_path, clock)
    early = authority.issue(WEB, subject=WHO)
    asyncio.run(clock.advance(200 * 86400))
    late = authority.issue(WEB, subject=WHO)
    assert early.chain_pem.split("-----END")[1] != late.chain_pem.split("-----END")[1]
    assert verify(late.chain_pem, authority.bundle_pem, clock.now())
    assert opened(tmp_path, clock).derived_key("x") == authority.derived_key("x")


def test_without_the_root_key_an_old_intermediate_serves_to_its_end(tmp_path: Path) -> None:
    clock = FakeClock()
    authority = opened(tmp_path, clock)
    (tmp_path / "root-key.pem").unlink()
    asyncio.run(clock.advance(364.5 * 86400))
    leaf = authority.issue(WEB, subject=WHO)
    assert leaf.not_after < clock.now() + timedelta(hours=24)
    assert verify(leaf.chain_pem, authority.bundle_pem, clock.now())
    asyncio.run(clock.advance(86400))
    with pytest.raises(EnvironmentFault, match="expired"):
        authority.issue(WEB, subject=WHO)
    with pytest.raises(EnvironmentFault, match=r"put root-key\.pem back"):
        opened(tmp_path, clock)


def test_roots_can_overlap(tmp_path: Path) -> None:
    clock = FakeClock()
    old = opened(tmp_path / "old", clock)
    old_leaf = old.issue(WEB, subject=WHO)
    new = opened(tmp_path / "new", clock)
    roots = tmp_path / "old" / "root-cert.pem"
    roots.write_text(old.bundle_pem + new.bundle_pem)
    both = opened(tmp_path / "old", clock)
    assert len(both.bundle_pem) == len(old.bundle_pem + new.bundle_pem)
    assert verify(both.issue(WEB, subject=WHO).chain_pem, old.bundle_pem, clock.now())
    # The switch: the next root's key, and no intermediate of the old one.
    (tmp_path / "new" / "root-key.pem").rename(tmp_path / "old" / "root-key.pem")
    (tmp_path / "old" / "ca-cert.pem").unlink()
    switched = opened(tmp_path / "old", clock)
    assert verify(switched.issue(WEB, subject=WHO).chain_pem, new.bundle_pem, clock.now())
    assert verify(old_leaf.chain_pem, switched.bundle_pem, clock.now())


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "ca-key.pem").chmod(0o644)
    with pytest.raises(EnvironmentFault, match="can be read by others"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["root-cert.pem", "ca-cert.pem", "ca-key.pem"])
def test_a_damaged_file_is_said_plainly(tmp_path: Path, name: str) -> None:
    opened(tmp_path)
    (tmp_path / name).write_text("nonsense")
    with pytest.raises(EnvironmentFault, match="damaged"):
        opened(tmp_path)


def test_a_start_that_was_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "ca-cert.pem").unlink()
    clock = FakeClock()
    authority = opened(tmp_path, clock)
    assert verify(authority.issue(WEB, subject=WHO).chain_pem, authority.bundle_pem, clock.now())
    (tmp_path / "root-cert.pem").unlink()
    authority = opened(tmp_path, clock)
    assert verify(authority.issue(WEB, subject=WHO).chain_pem, authority.bundle_pem, clock.now())


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 10**8))
def test_a_leaf_is_renewed_near_half_its_life(chance: float, seconds: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    leaf = Leaf(
        chain_pem="",
        key_pem="",
        issued=start,
        not_before=start - timedelta(minutes=1),
        not_after=start + timedelta(seconds=seconds),
        serial=1,
    )
    share = (renew_at(leaf, lambda: chance) - start) / timedelta(seconds=seconds)
    assert 0.449 < share < 0.501
