"""A Secret of type kubernetes.io/tls holds a certificate and the key to it."""

from __future__ import annotations

import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lateen.api.decode import decode_documents
from lateen.check import check_object
from tests.envoy import pki


def pair() -> tuple[bytes, bytes]:
    """A certificate of its own making and its key, in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example.com")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), private


ONE, OTHER = pair(), pair()
_NAMES = {"roots": "ca.crt", "revoked": "ca.crl", "staple": "tls.ocsp-staple"}


def found(certificate: bytes, key: bytes, **more: bytes) -> list[str]:
    """`field: message` of the problems of a Secret with those two."""
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/tls\n"
        f"data: {{tls.crt: {base64.b64encode(certificate).decode()}, "
        f"tls.key: {base64.b64encode(key).decode()}"
        + "".join(f", {_NAMES[n]}: {base64.b64encode(c).decode()}" for n, c in more.items())
        + "}\n"
    )
    (obj,) = decode_documents(text, "f.yaml").objects
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


def test_a_pair_that_fits_is_sound() -> None:
    assert found(*ONE) == []
    assert found(ONE[0] + OTHER[0], ONE[1]) == []


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (b"hello", ONE[1], 'data["tls.crt"]: wanted certificates in PEM form'),
        (b"", ONE[1], 'data["tls.crt"]: wanted certificates in PEM form'),
        (ONE[0], b"hello", 'data["tls.key"]: wanted a private key in PEM form'),
        (ONE[0], ONE[0], 'data["tls.key"]: wanted a private key in PEM form'),
        (ONE[0], OTHER[1], 'data["tls.key"]: is not the key of the first certificate'),
    ],
)
def test_each_fault_is_named_and_no_content_is_shown(
    certificate: bytes, key: bytes, words: str
) -> None:
    (problem,) = found(certificate, key)
    assert problem.startswith(words), problem
    assert "hello" not in problem


def test_what_goes_with_a_certificate_must_be_what_its_name_says() -> None:
    authority = pki.Authority()
    own = authority.identity("spiffe://outside/x")
    good = {"roots": authority.root, "revoked": authority.revoke(own)}
    assert found(own.certificate, own.key, staple=authority.staple(own), **good) == []
    for name, words in (
        ("revoked", 'data["ca.crl"]: wanted a list of revoked certificates'),
        ("staple", 'data["tls.ocsp-staple"]: wanted an OCSP response'),
    ):
        (problem,) = found(own.certificate, own.key, **good | {name: b"hello"})
        assert problem.startswith(words)
