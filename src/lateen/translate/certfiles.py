"""Certificates that are named by path, taken from the Secrets that the path leads to.

In: paths, a workload.              Out: TlsSecret, RootSecret, problems.
Before: world/mounts.py             After: translate/credentials.py, translate/plan.py

They are sent to Envoy under the names that Istio's agent gives them: `file-cert:CERTIFICATE~KEY` and
`file-root:ROOT`, with a list of what is revoked `file-root:ROOT~LIST`.
"""

from __future__ import annotations

from collections.abc import Iterable

from lateen.base.origin import Origin
from lateen.base.problem import Problem
from lateen.ir.backends import Backend, OriginateTls
from lateen.ir.plan import RootSecret, TlsSecret
from lateen.translate.faults import not_found
from lateen.world.model import Workload, World

_CERT, _ROOT = "file-cert:", "file-root:"
_OF_THE_SYSTEM = ("/etc/ssl/", "/etc/pki/")


def pair_name(certificate: str, key: str) -> str:
    """The name of a certificate with its key."""
    return f"{_CERT}{certificate}~{key}"


def root_name(path: str, revoked: str = "") -> str:
    """The name of roots and of the list of what they revoked; "" for the system's roots, without a list."""
    if of_the_system(path):
        return ""
    return f"{_ROOT}{path}~{revoked}" if revoked else _ROOT + path


def of_the_system(path: str) -> bool:
    """Whether these roots are the machine's own."""
    return path in ("", "system") or path.startswith(_OF_THE_SYSTEM)


def is_file(name: str) -> bool:
    """Whether a secret is named by path."""
    return name.startswith((_CERT, _ROOT))


def file_pair(
    world: World, workload: Workload, name: str, origin: Origin, problems: list[Problem]
) -> TlsSecret | None:
    """The certificate and key of that name."""
    certificate, _, key = name.removeprefix(_CERT).partition("~")
    found = [_content(world, workload, path, origin, problems) for path in (certificate, key)]
    if found[0] is None or found[1] is None:
        return None
    return TlsSecret(name=name, certificate=found[0], key=found[1])


def file_root(
    world: World, workload: Workload, name: str, origin: Origin, problems: list[Problem]
) -> RootSecret | None:
    """The roots of that name, with what they revoked; none of it if the list is not there."""
    path, _, written = name.removeprefix(_ROOT).partition("~")
    pem = _content(world, workload, path, origin, problems)
    revoked = _content(world, workload, written, origin, problems) if written else b""
    if pem is None or revoked is None:
        return None
    return RootSecret(name=name, pem=pem, revoked=revoked)


def file_credentials(
    backends: Iterable[Backend], world: World, workload: Workload
) -> tuple[tuple[TlsSecret, ...], tuple[RootSecret, ...], tuple[Problem, ...]]:
    """What TLS to a proxy's backends asks for by path."""
    pairs: dict[str, TlsSecret] = {}
    roots: dict[str, RootSecret] = {}
    problems: list[Problem] = []
    for backend in backends:
        security = backend.security
        if not isinstance(security, OriginateTls):
            continue
        if is_file(security.secret) and security.secret not in pairs:
            pair = file_pair(world, workload, security.secret, backend.origin, problems)
            pairs |= {pair.name: pair} if pair else {}
        if is_file(security.root) and security.root not in roots:
            root = file_root(world, workload, security.root, backend.origin, problems)
            roots |= {root.name: root} if root else {}
    return tuple(pairs.values()), tuple(roots.values()), tuple(dict.fromkeys(problems))


def _content(
    world: World, workload: Workload, path: str, origin: Origin, problems: list[Problem]
) -> bytes | None:
    folder, _, file = path.rpartition("/")
    for mount in workload.mounts:
        if mount.path == folder:
            secret = world.secrets.get((workload.namespace, mount.secret))
            key = dict(mount.files).get(file, "" if mount.files else file)
            found = secret.content.get(key) if secret else None
            if found:
                return found
    who = f"{workload.namespace}/{workload.name}"
    fix = "mount a Secret there with sidecar.istio.io/userVolume and userVolumeMount"
    problems.append(not_found(origin, f"file {path} of the proxy of {who}", fix))
    return None
