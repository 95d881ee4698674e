"""Verify a chain of certificates as a TLS server does."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
)


def verify(chain_pem: str, bundle: str, at: datetime) -> list[x509.Certificate]:
    """The chain, as a TLS server finds it.

    A critical SAN beside a subject is let pass: SPIFFE allows it.
    """
    end = ExtensionPolicy.webpki_defaults_ee().require_present(
        x509.SubjectAlternativeName, Criticality.CRITICAL, None
    )
    certificate, *rest = x509.load_pem_x509_certificates(chain_pem.encode())
    return list(
        PolicyBuilder()
        .store(Store(x509.load_pem_x509_certificates(bundle.encode())))
        .time(at)
        .extension_policies(ee_policy=end, ca_policy=ExtensionPolicy.webpki_defaults_ca())
        .build_client_verifier()
        .verify(certificate, rest)
        .chain
    )
