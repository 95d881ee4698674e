"""The API's certificate and the tokens are made once, private, and in time anew."""

from __future__ import annotations

import contextlib
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from lateen.apiserver.serving import TlsListener, tls_context
from lateen.app import access
from lateen.app.access import LIFE, RENEW_BEFORE, open_access
from lateen.base.clock import FakeClock, SystemClock
from lateen.cluster.ownapi import API_NAMES


def test_what_was_made_is_kept(tmp_path: Path) -> None:
    first = open_access(tmp_path / "access", FakeClock())
    again = open_access(tmp_path / "access", FakeClock())
    assert (first.certificate, first.key) == (again.certificate, again.key)
    assert (first.api_token, first.console_token) == (again.api_token, again.console_token)
    assert first.api_token != first.console_token
    assert len(first.api_token) >= 40


def test_nobody_else_can_read_it_and_it_does_not_show_in_a_log(tmp_path: Path) -> None:
    folder = tmp_path / "access"
    made = open_access(folder, FakeClock())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert made.api_token not in repr(made)
    assert repr(made) == "Access()"


def test_the_certificate_is_for_this_machine_and_its_pods_alone_and_clients_can_check_it(
    tmp_path: Path,
) -> None:
    made = open_access(tmp_path / "access", FakeClock())
    found = x509.load_pem_x509_certificate(made.certificate.encode())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", *API_NAMES]
    addresses = [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "198.19.0.1", "198.18.0.1"]
    ssl.create_default_context(cadata=made.certificate)


def test_one_that_ends_soon_is_replaced_and_the_tokens_stay(tmp_path: Path) -> None:
    clock = FakeClock()
    first = open_access(tmp_path / "access", clock)
    later = FakeClock(clock.now() + LIFE - RENEW_BEFORE)
    second = open_access(tmp_path / "access", later)
    assert second.certificate != first.certificate
    assert second.key != first.key
    assert second.api_token == first.api_token


def test_one_that_lacks_a_name_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_access(tmp_path / "access", FakeClock())
    monkeypatch.setattr(access, "_NAMES", ("localhost", "elsewhere"))
    second = open_access(tmp_path / "access", FakeClock())
    assert second.certificate != first.certificate
    assert open_access(tmp_path / "access", FakeClock()).certificate == second.certificate


def test_a_key_that_others_could_read_is_not_used_again(tmp_path: Path) -> None:
    first = open_access(tmp_path / "access", FakeClock())
    os.chmod(tmp_path / "access/api.key", 0o644)
    second = open_access(tmp_path / "access", FakeClock())
    assert second.key != first.key
    assert (tmp_path / "access/api.key").stat().st_mode & 0o777 == 0o600


def test_verifiers_that_take_the_rules_strictly_believe_it(tmp_path: Path) -> None:
    """As Python's do from 3.13 on."""
    made = open_access(tmp_path / "access", SystemClock())
    trusting = ssl.create_default_context(cadata=made.certificate)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    serving = tls_context(TlsListener(port=0, certificate=made.certificate, key=made.key))
    for name in ("127.0.0.1", "198.19.0.1", "kubernetes.default.svc"):
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = serving.wrap_bio(there, back, server_side=True)
        client = trusting.wrap_bio(back, there, server_hostname=name)
        for side in (client, server, client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
        assert client.getpeercert()
