"""List every certificate of the mesh, how long each is valid, and what ends too soon.

In: the CA, the leaves, the Secrets proxies show.    Out: Certificate rows; problems.
Before: stages/securing.py, stages/planning.py        After: app/certifying.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from lateen.api.codes import CERTIFICATE_ENDS
from lateen.base.origin import Origin
from lateen.base.problem import Level, Problem
from lateen.ir.plan import ProxyPlan
from lateen.stages.securing import OWN_CA, Securing

ENDING = 0.2  # the share of its life from which on it is told
_PREFIX = "kubernetes://"


class Kind(StrEnum):
    """What a certificate is for."""

    ROOT = "root"
    SIGNING = "signing"
    PROXY = "proxy"
    CREDENTIAL = "credential"  # of a Secret, at a gateway or towards a host outside


class State(StrEnum):
    """How a certificate stands at a moment."""

    OK = "ok"
    ENDING = "ends soon"
    EXPIRED = "expired"
    NOT_YET = "not yet valid"


class Certificate(Struct, frozen=True, kw_only=True):
    """One certificate. `name` is a pod's, a Secret's, or what its subject says.

    `start` is None where only the end is known: a proxy's, issued before the control plane's last
    start. `note` says what else matters: the identity, the hosts, who keeps it from being renewed.
    """

    kind: Kind
    namespace: str = ""
    name: str
    start: datetime | None
    end: datetime
    serial: str = ""
    note: str = ""

    def state(self, now: datetime) -> State:
        """How it stands."""
        if now >= self.end:
            return State.EXPIRED
        if self.start is None:
            return State.OK
        if now < self.start:
            return State.NOT_YET
        return State.ENDING if self.left(now) < (self.end - self.start) * ENDING else State.OK

    def left(self, now: datetime) -> timedelta:
        """How long it is valid still; nothing once it has ended."""
        return max(self.end - now, timedelta())


def certificates(securing: Securing, plans: Iterable[ProxyPlan]) -> tuple[Certificate, ...]:
    """Every certificate: roots, what signs, proxies', and those of Secrets."""
    plans = tuple(plans)
    return (
        *_authority(securing),
        *(row for plan in plans if (row := _leaf(securing, plan))),
        *_credentials(plans),
    )


def _authority(securing: Securing) -> Iterator[Certificate]:
    authority = securing.authority
    whose = f"Secret {OWN_CA.namespace}/{OWN_CA.name}" if authority.plugged else "lateen's own"
    for roots, note in (
        (authority.material.roots, whose),
        (authority.added, "the next one, trusted already"),
        (authority.retired, "the one before, trusted until no certificate of it is left"),
    ):
        yield from (_row(Kind.ROOT, root, note=note) for root in dict.fromkeys(roots))
    yield from (_row(Kind.SIGNING, each, note=whose) for each in authority.material.chain)


def _leaf(securing: Securing, plan: ProxyPlan) -> Certificate | None:
    proxy = plan.proxy
    end = securing.wallet.valid_until(proxy.id)
    if end is None:
        return None
    leaf = securing.wallet.leaf(proxy.id)
    return Certificate(
        kind=Kind.PROXY,
        namespace=proxy.namespace,
        name=proxy.pod,
        start=leaf.issued if leaf else None,
        end=end,
        serial=f"{leaf.serial:x}" if leaf else "",
        note=proxy.identity,
    )


def _credentials(plans: Iterable[ProxyPlan]) -> Iterator[Certificate]:
    """Of each Secret that some proxy shows, the certificate of the chain that ends first."""
    shown = {(p.proxy.namespace, s.name): s.certificate for p in plans for s in p.secrets}
    for (namespace, name), pem in sorted(shown.items()):
        if chain := read_chain(pem):
            yield _row(
                Kind.CREDENTIAL,
                min(chain, key=lambda c: c.not_valid_after_utc),
                namespace=namespace,
                name=name.removeprefix(_PREFIX),
                note=_hosts(chain[0]),
            )


@lru_cache(maxsize=256)
def read_chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM text; none where it cannot be read, which others say."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return ()


def _row(
    kind: Kind, certificate: x509.Certificate, *, namespace: str = "", name: str = "", note: str
) -> Certificate:
    return Certificate(
        kind=kind,
        namespace=namespace,
        name=name or _common_name(certificate),
        start=certificate.not_valid_before_utc,
        end=certificate.not_valid_after_utc,
        serial=f"{certificate.serial_number:x}",
        note=note,
    )


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def _hosts(certificate: x509.Certificate) -> str:
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            return ", ".join(extension.value.get_values_for_type(x509.DNSName))
    return _common_name(certificate)


def certificate_problems(
    rows: Iterable[Certificate], now: datetime, origins: Mapping[tuple[str, str], Origin]
) -> tuple[Problem, ...]:
    """One for each that is not well; `origins` are of Secrets, by namespace and name."""
    return tuple(
        Problem(
            code=CERTIFICATE_ENDS,
            level=Level.WARNING if state is State.ENDING else Level.ERROR,
            origin=origins.get((row.namespace, row.name), Origin()),
            message=words_of(row, state),
            fix=_FIXES[row.kind],
        )
        for row in rows
        if (state := row.state(now)) is not State.OK
    )


def words_of(row: Certificate, state: State) -> str:
    """What is wrong with it, for a problem or an event."""
    whose = f"the {row.kind} certificate of {row.namespace}/{row.name}".replace(" of /", " ")
    match state:
        case State.EXPIRED:
            return f"{whose} ended at {row.end:%Y-%m-%d %H:%M:%S} UTC"
        case State.NOT_YET:
            return f"{whose} is not valid before {row.start:%Y-%m-%d %H:%M:%S} UTC"
        case State.OK | State.ENDING:
            return f"{whose} ends at {row.end:%Y-%m-%d %H:%M:%S} UTC"


_FIXES = {
    Kind.ROOT: "`lateen certs rotate`, or put the next root into Secret istio-system/cacerts",
    Kind.SIGNING: "put root-key.pem back, or renew Secret istio-system/cacerts",
    Kind.PROXY: "see control.log: it should have been renewed at half its life",
    Kind.CREDENTIAL: "renew the Secret; it is taken over as soon as it changes",
}
