"""Find the certificates that a gateway's servers name, and those that TLS to a backend asks for.

In: ServerTLSSettings, the Secrets beside the gateway's pod.    Out: TlsSecret, ClientCheck, problems.
Before: world/model.py                                          After: translate/servers.py

As in Istio the roots for clients are in the Secret `NAME-cacert`, or in NAME itself beside the
certificate (`ca.crt`, or `cacert` in the generic form), and with them `ca.crl`, what they have
revoked. `tls.ocsp-staple` is an OCSP answer for the certificate.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from lateen.api.gateway import ServerTLSSettings
from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.backends import Backend, OriginateTls
from lateen.ir.plan import ClientCheck, RootSecret, TlsSecret
from lateen.translate.certfiles import file_pair, file_root, pair_name, root_name
from lateen.translate.faults import not_found
from lateen.world.model import SecretData, Workload, World

_CERTIFICATE_KEYS = (("tls.crt", "tls.key"), ("cert", "key"))
_ROOT_KEYS = ("cacert", "ca.crt")
_REVOKED, _STAPLE = "ca.crl", "tls.ocsp-staple"
_PREFIX, _ROOT = "kubernetes://", "-cacert"  # how Istio's SDS names them
_MUTUAL = ("MUTUAL", "OPTIONAL_MUTUAL")


class Credentials(Struct, frozen=True, kw_only=True):
    """What a server shows, and what it asks of its clients."""

    secrets: tuple[TlsSecret, ...] = ()
    root: RootSecret | None = None
    client: ClientCheck | None = None


def credentials_of(
    tls: ServerTLSSettings,
    world: World,
    workload: Workload,
    origin: Origin,
    problems: list[Problem],
) -> Credentials | None:
    """The credentials of a server that ends TLS; None, with a problem, where some are missing."""
    if tls.mode == "ISTIO_MUTUAL":
        return Credentials(client=ClientCheck(names=tls.subject_alt_names, verified=_verified(tls)))
    namespace = workload.namespace
    names = tls.credential_names or ((tls.credential_name,) if tls.credential_name else ())
    if not names:
        return _from_files(tls, world, workload, origin, problems)
    secrets = [_secret(world, namespace, name, origin, problems) for name in names]
    found = tuple(secret for secret in secrets if secret)
    if len(found) < len(secrets):
        return None
    if tls.mode not in _MUTUAL:
        return Credentials(secrets=found)
    root = _root(world, namespace, tls.ca_cert_credential_name, names[0])
    if root is None:
        what = f"Secret {namespace}/{names[0]}-cacert"
        fix = f"or put ca.crt into Secret {names[0]}: {tls.mode} verifies clients against it"
        problems.append(not_found(origin, what, fix))
        return None
    return Credentials(secrets=found, root=root, client=_client(tls, root))


def _verified(tls: ServerTLSSettings) -> bool:
    return not tls.insecure_skip_verify


def _client(tls: ServerTLSSettings, root: RootSecret) -> ClientCheck:
    return ClientCheck(
        root=root.name,
        required=tls.mode == "MUTUAL",
        verified=_verified(tls),
        names=tls.subject_alt_names,
        spki=tls.verify_certificate_spki,
        hashes=tls.verify_certificate_hash,
    )


def _from_files(
    tls: ServerTLSSettings,
    world: World,
    workload: Workload,
    origin: Origin,
    problems: list[Problem],
) -> Credentials | None:
    """Certificates by path."""
    paths = [(each.server_certificate, each.private_key) for each in tls.tls_certificates]
    if not paths:
        paths = [(tls.server_certificate, tls.private_key)]
    secrets = [file_pair(world, workload, pair_name(*each), origin, problems) for each in paths]
    found = tuple(secret for secret in secrets if secret)
    if len(found) < len(secrets):
        return None
    if tls.mode not in _MUTUAL:
        return Credentials(secrets=found)
    roots = (tls.ca_certificates, *(each.ca_certificates for each in tls.tls_certificates))
    name = root_name(next(filter(None, roots), ""), tls.ca_crl)
    root = file_root(world, workload, name, origin, problems)
    if root is None:
        return None
    return Credentials(secrets=found, root=root, client=_client(tls, root))


def client_credentials(
    backends: Iterable[Backend], world: World, namespace: str
) -> tuple[tuple[TlsSecret, ...], tuple[RootSecret, ...], tuple[Problem, ...]]:
    """The Secrets beside a proxy's pod that its backends' TLS asks for."""
    secrets: dict[str, TlsSecret] = {}
    roots: dict[str, RootSecret] = {}
    problems: list[Problem] = []
    for backend in backends:
        security = backend.security
        if not isinstance(security, OriginateTls) or not security.root.startswith(_PREFIX):
            continue
        name = security.root.removeprefix(_PREFIX).removesuffix(_ROOT)
        root = _root(world, namespace, "", name)
        if root:
            roots[root.name] = root
        else:
            what = f"Secret {namespace}/{name}{_ROOT} (or ca.crt in Secret {name})"
            problems.append(not_found(backend.origin, what, "the server cannot be verified"))
        if security.secret:
            own = _secret(world, namespace, name, backend.origin, problems)
            secrets |= {own.name: own} if own else {}
    return tuple(secrets.values()), tuple(roots.values()), tuple(problems)


def _secret(
    world: World, namespace: str, name: str, origin: Origin, problems: list[Problem]
) -> TlsSecret | None:
    whose, _, own = name.rpartition("/")
    if whose and (whose, own) not in world.ingress_secrets:
        own, whose = name, ""  # only an Ingress names Secrets of its own namespace
    found = world.secrets.get((whose or namespace, own))
    if found is None:
        fix = "" if whose else f"create it in {namespace}, where the gateway's pod is"
        problems.append(not_found(origin, f"Secret {whose or namespace}/{own}", fix))
        return None
    pair = _pair(found)
    if pair is None:
        what = f"tls.crt or tls.key in Secret {whose or namespace}/{own}"
        problems.append(not_found(origin, what))
        return None
    return TlsSecret(
        name=f"{_PREFIX}{name}",
        certificate=pair[0],
        key=pair[1],
        staple=found.content.get(_STAPLE, b""),
    )


def _pair(secret: SecretData) -> tuple[bytes, bytes] | None:
    for certificate, key in _CERTIFICATE_KEYS:
        if secret.content.get(certificate) and secret.content.get(key):
            return secret.content[certificate], secret.content[key]
    return None


def _root(world: World, namespace: str, given: str, name: str) -> RootSecret | None:
    for each in (given,) if given else (f"{name}-cacert", name):
        found = world.secrets.get((namespace, each))
        for key in _ROOT_KEYS:
            if found and found.content.get(key):
                shown = given or name
                return RootSecret(
                    name=f"{_PREFIX}{shown}{_ROOT}",
                    pem=found.content[key],
                    revoked=found.content.get(_REVOKED, b""),
                )
    return None
