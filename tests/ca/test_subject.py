"""Who a proxy is, through a certificate's subject and back."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from lateen.base.clock import FakeClock
from lateen.ca.authority import Authority
from lateen.ca.subject import Subject, name_of, subject_of

_LABEL = st.text("abcxyz019-._", max_size=63)
_NAME = st.text("abcxyz019-.", max_size=253)
_ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)
SUBJECTS = st.builds(
    Subject,
    workload=st.text("abcxyz019-.", min_size=1, max_size=253),
    namespace=st.text("abc019-", max_size=63),
    trust_domain=st.text("abc.-", min_size=1, max_size=120),
    pod=_NAME,
    app=_LABEL,
    version=_ANY,
    service=_LABEL,
)


@given(SUBJECTS)
def test_what_goes_in_comes_out(subject: Subject) -> None:
    assert subject_of(name_of(subject).rfc4514_string()) == subject


@given(SUBJECTS)
def test_no_value_is_longer_than_x520_allows(subject: Subject) -> None:
    assert all(0 < len(str(a.value)) <= 64 for a in name_of(subject))


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    found = subject_of(text)
    assert found is None or found.workload is not None


def test_subjects_of_others_are_not_ours() -> None:
    for text in ("", "CN=web", "O=cluster.local,OU=shop", "nonsense", "CN=a\\", "CN=a;O=b"):
        assert subject_of(text) is None


def test_a_label_cannot_pose_as_another_attribute() -> None:
    sly = Subject(
        workload="web", namespace="shop", trust_domain="mesh", version="1,CN=admin,OU=bank"
    )
    assert subject_of(name_of(sly).rfc4514_string()) == sly


def test_openssl_prints_what_we_read(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path, trust_domain="cluster.local", clock=FakeClock())
    who = Subject(
        workload="a" * 100,
        namespace="shop",
        pod="web-5d4f-" + "b" * 120,
        app="web",
        version='v1+"é',
        service="web",
    )
    leaf = authority.issue("spiffe://cluster.local/ns/shop/sa/web", subject=who)
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253"],
        input=leaf.chain_pem,
        capture_output=True,
        text=True,
        check=True,
    )
    found = subject_of(done.stdout.strip().removeprefix("subject="))
    assert found is not None
    assert found.trust_domain == "cluster.local"
    assert (found.workload, found.pod, found.version) == (who.workload, who.pod, who.version)
    certificate = x509.load_pem_x509_certificates(leaf.chain_pem.encode())[0]
    assert subject_of(certificate.subject.rfc4514_string()) == found
