"""Check the certificate and key of a TLS Secret, and what goes with them.

In: their PEM bytes.    Out: what is wrong with which of the two, or None.
Before: -               After: check/service.py

The API server looks at the keys' names only; Istio, and Envoy after it, refuse what does not parse,
and a gateway would go on with the certificate before without a word.
"""

from __future__ import annotations

CERTIFICATE = "tls.crt"
KEY = "tls.key"
REVOKED = "ca.crl"
STAPLE = "tls.ocsp-staple"


def pair_fault(certificate: bytes, key: bytes) -> tuple[str, str] | None:
    """(`tls.crt` or `tls.key`, what was wanted); None for a pair that a server can use."""
    # Only who has such a Secret pays for the import.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
        public = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return CERTIFICATE, "wanted certificates in PEM form, the server's own first"
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return KEY, "wanted a private key in PEM form, not encrypted"
    if private.public_key() != public:
        return KEY, "is not the key of the first certificate in tls.crt"
    return None


def extra_fault(name: str, content: bytes) -> str | None:
    """What was wanted of `ca.crl` or `tls.ocsp-staple`; None if it can be used."""
    from cryptography.x509 import load_pem_x509_crl
    from cryptography.x509.ocsp import load_der_ocsp_response

    try:
        if name == REVOKED:
            load_pem_x509_crl(content)
        else:
            load_der_ocsp_response(content)
    except ValueError:
        wanted = {
            REVOKED: "wanted a list of revoked certificates (X509 CRL) in PEM form",
            STAPLE: "wanted an OCSP response in DER form",
        }
        return wanted[name]
    return None
