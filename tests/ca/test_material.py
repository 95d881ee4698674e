"""A user's own CA, under the file names of Istio's Secret `cacerts`."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from lateen.base.clock import FakeClock
from lateen.ca.authority import Authority, Source, Terms
from lateen.ca.material import Unfit, files_of, pem_of, read_material
from lateen.ca.subject import Subject
from tests.ca.verifying import verify

NOW = FakeClock().now()
WEB = "spiffe://cluster.local/ns/shop/sa/web"
WHO = Subject(workload="web", namespace="shop")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """A root and an intermediate, as the user would bring them."""
    return files_of(another(tmp_path / "theirs").material)


def another(folder: Path) -> Authority:
    return Authority.open(folder, trust_domain="cluster.local", clock=FakeClock())


def test_leaves_of_a_users_ca_lead_up_to_the_users_root(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    authority = another(tmp_path / "own")
    material = read_material(files, NOW)
    authority.sign_with(material, Source.USER)
    leaf = authority.issue(WEB, subject=WHO, terms=Terms(rsa_bits=2048))
    assert len(verify(leaf.chain_pem, pem_of(*material.roots), NOW)) == 3
    again = another(tmp_path / "own")
    assert again.plugged
    assert again.material.same_as(material)
    for name in ("ca-key.pem", "root-cert.pem"):
        assert (tmp_path / "own" / "plugged" / name).stat().st_mode & 0o077 == 0


def test_the_chain_may_be_left_out_or_hold_the_root_or_be_in_the_certificates_file(
    files: dict[str, bytes],
) -> None:
    for chain in (b"", files["cert-chain.pem"], files["cert-chain.pem"] + files["root-cert.pem"]):
        assert len(read_material({**files, "cert-chain.pem": chain}, NOW).chain) == 1
    both = {**files, "ca-cert.pem": files["ca-cert.pem"] + files["root-cert.pem"]}
    assert len(read_material(both, NOW).chain) == 1


def test_a_root_may_sign_by_itself(tmp_path: Path) -> None:
    another(tmp_path)
    root = (tmp_path / "root-cert.pem").read_bytes()
    key = (tmp_path / "root-key.pem").read_bytes()
    material = read_material({"tls.crt": root, "tls.key": key, "ca.crt": root}, NOW)
    assert material.chain == ()


def test_what_cannot_serve_is_said_by_its_key(files: dict[str, bytes], tmp_path: Path) -> None:
    other = files_of(another(tmp_path / "other").material)
    leaf = another(tmp_path / "own").issue(WEB, subject=WHO)
    faults = {
        "ca-cert.pem is missing": {"ca-cert.pem": b""},
        "root-cert.pem is missing": {"root-cert.pem": b""},
        "ca-key.pem is missing": {"ca-key.pem": b" "},
        "ca-cert.pem is no PEM certificate": {"ca-cert.pem": b"hello"},
        "ca-key.pem is no private key": {"ca-key.pem": b"hello"},
        "ca-key.pem is not the key of ca-cert.pem": {"ca-key.pem": other["ca-key.pem"]},
        "is signed by no certificate of root-cert.pem": {"root-cert.pem": other["root-cert.pem"]},
        "ca-cert.pem is not of an authority": {
            "ca-cert.pem": leaf.chain_pem.encode(),
            "ca-key.pem": leaf.key_pem.encode(),
        },
    }
    for words, wrong in faults.items():
        with pytest.raises(Unfit, match=words):
            read_material({**files, **wrong}, NOW)


@pytest.mark.parametrize("days", [-2, 366, 4000])
def test_a_ca_out_of_date_cannot_serve(files: dict[str, bytes], days: int) -> None:
    with pytest.raises(Unfit, match=r"valid from 2025-12-31 to 20\S+, not now"):
        read_material(files, NOW + timedelta(days=days))


def test_a_users_ca_that_has_ended_does_not_keep_the_mesh_from_starting(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    clock = FakeClock()
    authority = Authority.open(tmp_path / "own", trust_domain="cluster.local", clock=clock)
    authority.sign_with(read_material(files, NOW), Source.USER)
    asyncio.run(clock.advance(400 * 86400))
    again = Authority.open(tmp_path / "own", trust_domain="cluster.local", clock=clock)
    assert not again.plugged
    assert verify(again.issue(WEB, subject=WHO).chain_pem, again.bundle_pem, clock.now())
