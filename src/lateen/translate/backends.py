"""Where requests can go: backends with all that applies on the way, and their endpoints.

In: World, DestinationIndex, MtlsIndex.    Out: Backend, EndpointSet, problems.
Before: translate/destinations.py          After: translate/outbound.py, translate/gateways.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lateen.base.problem import Problem
from lateen.ir.backends import (
    Backend,
    BackendId,
    Balance,
    Discovery,
    Endpoint,
    EndpointSet,
    InMesh,
    MeshMtls,
    OriginateTls,
    Outside,
    Plaintext,
    Remote,
    Security,
    Wire,
)
from lateen.ir.plan import Mtls, Role
from lateen.ir.routes import SourceHash
from lateen.translate.destinations import Destinations, Effective
from lateen.translate.faults import no_upgrade, not_carried
from lateen.translate.mtls import MtlsIndex
from lateen.translate.settings import (
    balance_of,
    ejection_of,
    hash_of,
    hashing_of,
    limits_of,
    tunnel_of,
    warmup_of,
)
from lateen.world.model import Injection, Instance, Port, Service, Shape, World

_VERSIONS = {"V1": 1, "V2": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBackends:
    """Everything one service contributes: a backend for each port, and for each subset of it."""

    backends: tuple[Backend, ...]
    endpoints: tuple[EndpointSet, ...]
    problems: tuple[Problem, ...] = ()


def service_backends(
    world: World, service: Service, rules: Destinations, mtls: MtlsIndex, role: Role
) -> ServiceBackends:
    """The backends of one service, as a proxy of that role is to use them."""
    backends: list[Backend] = []
    endpoints: list[EndpointSet] = []
    problems: list[Problem] = []
    instances = world.instances_of(service)
    for port in service.ports:
        for subset in ("", *rules.subsets):
            labels = rules.subsets[subset].value.labels if subset else {}
            chosen = tuple(i for i in instances if _carries(i, labels))
            id = BackendId(host=service.host, port=port.number, subset=subset)
            known = _reached(chosen, port, mtls)
            made = _backend(id, service, port, rules, known, role)
            backends.append(made[0])
            problems.extend(made[1])
            if known or not service.is_entry:
                ready = _reached(tuple(i for i in chosen if i.ready), port, mtls)
                endpoints.append(EndpointSet(id=id, endpoints=ready))
    return ServiceBackends(
        backends=tuple(backends), endpoints=tuple(endpoints), problems=tuple(problems)
    )


def _carries(instance: Instance, labels: dict[str, str]) -> bool:
    have = instance.workload.labels if instance.workload else {}
    return labels.items() <= have.items()


def _reached(instances: tuple[Instance, ...], port: Port, mtls: MtlsIndex) -> tuple[Endpoint, ...]:
    found = (_endpoint(instance, port, mtls) for instance in instances)
    return tuple(sorted({e for e in found if e}))


def _endpoint(instance: Instance, port: Port, mtls: MtlsIndex) -> Endpoint | None:
    number = instance.port(port.name)
    if number is None:
        return None
    pod = instance.workload
    if pod is None:
        return Endpoint(address=instance.address, port=number, mtls=False)
    # A gateway's listeners are its Gateways' own; none of them takes the mesh's certificates.
    sidecar = pod.injection is Injection.SIDECAR
    return Endpoint(
        address=instance.address,
        port=number,
        mtls=sidecar and mtls.modes(pod).of(number) is not Mtls.DISABLE,
        namespace=pod.namespace,
        workload=pod.workload,
        app=pod.app,
        version=pod.version,
        cluster_identity=pod.identity,
        locality=pod.locality,
    )


def _backend(
    id: BackendId,
    service: Service,
    port: Port,
    rules: Destinations,
    known: tuple[Endpoint, ...],
    role: Role,
) -> tuple[Backend, tuple[Problem, ...]]:
    """`known` are all endpoints, ready or not, so that identities do not come and go with them."""
    policy = rules.effective(port.number, id.subset)
    problems: list[Problem] = []
    said = policy.balance.value if policy.balance else None
    balance = balance_of(said)
    if service.shape is Shape.ENTRY_NONE or (
        service.shape is Shape.HEADLESS and role is Role.SIDECAR
    ):
        balance = Balance.PASSTHROUGH
    backend = Backend(
        id=id,
        discovery=InMesh()
        if known
        else _discovery(service, port, rules.subsets[id.subset].value.labels if id.subset else {}),
        wire=_wire(id, port, policy, role, problems),
        security=_security(id, service, policy, known, balance, problems),
        balance=balance,
        hashing=None if balance is Balance.PASSTHROUGH else hashing_of(said),
        by_source=isinstance(hash_of(rules, port.number, id.subset), SourceHash),
        warmup=warmup_of(said),
        tunnel=tunnel_of(policy.tunnel),
        proxy_protocol=_VERSIONS[policy.proxy_protocol.version] if policy.proxy_protocol else 0,
        limits=limits_of(policy.pool.value if policy.pool else None, policy.budget),
        ejection=ejection_of(policy.outlier.value, policy.outlier.origin)
        if policy.outlier
        else None,
        policies=policy.origins,
        origin=rules.subsets[id.subset].origin if id.subset else port.origin,
    )
    return backend, tuple(problems)


def _discovery(service: Service, port: Port, labels: Mapping[str, str]) -> Discovery:
    """Where the endpoints are that carry these labels (all of them, without a subset)."""
    if not service.is_entry or service.shape is Shape.ENTRY_NONE:
        return (
            InMesh()
        )  # for NONE: whatever address the client dialled, through the sandbox's way out
    target = port.target if isinstance(port.target, int) else port.number
    if service.endpoints:
        return Outside(
            tuple(
                sorted(
                    {
                        Remote(
                            host=e.address,
                            port=dict(e.ports).get(port.name, target),
                            weight=e.weight,
                            locality=e.locality,
                        )
                        for e in service.endpoints
                        if labels.items() <= set(e.labels)
                    }
                )
            )
        )
    if service.shape is Shape.ENTRY_DNS and not service.host.startswith("*"):
        return Outside((Remote(host=service.host, port=target),))
    return Outside(())


def _wire(
    id: BackendId, port: Port, policy: Effective, role: Role, problems: list[Problem]
) -> Wire:
    """Istio's upstream protocol; an upgrade only where the port says that it speaks HTTP.

    The pod's own proxy speaks HTTP/1.1 to the app of a port declared so, whatever comes in; behind
    an undeclared port it passes on what it gets, and the app would be sent HTTP/2.
    """
    http = policy.pool.value.http if policy.pool else None
    if port.protocol.is_http2:
        return Wire.HTTP2
    declared = port.protocol.is_http
    if not declared and port.protocol.value != "unknown":
        return Wire.TCP
    if http and http.use_client_protocol:
        return Wire.CLIENT
    if http and policy.pool and http.h2_upgrade_policy == "UPGRADE":
        if declared:
            return Wire.HTTP2
        problems.append(no_upgrade(policy.pool.origin, id.host, id.port))
    if declared or role is Role.GATEWAY:
        return Wire.HTTP1
    return Wire.CLIENT


def _security(
    id: BackendId,
    service: Service,
    policy: Effective,
    known: tuple[Endpoint, ...],
    balance: Balance,
    problems: list[Problem],
) -> Security:
    given = (e.identity for e in service.endpoints if e.identity)
    identities = tuple(sorted({*(e.cluster_identity for e in known if e.mtls), *given}))
    sni = f"outbound_.{id.port}_.{id.subset}_.{id.host}"
    tls = policy.tls.value if policy.tls else None
    if tls is None:
        if service.is_entry and not known:
            return Plaintext()
        if balance is Balance.PASSTHROUGH:
            # The address dialled carries no mark of a proxy, so it is one way for all of them.
            if not identities:
                return Plaintext()
            return MeshMtls(identities=identities, sni=sni, auto=False)
        return MeshMtls(identities=identities, sni=sni)
    match tls.mode:
        case "ISTIO_MUTUAL":
            return MeshMtls(
                identities=tuple(tls.subject_alt_names) or service.sans or identities,
                sni=tls.sni or sni,
                auto=False,
            )
        case "SIMPLE" | "MUTUAL":
            if tls.mode == "MUTUAL" and not tls.credential_name and policy.tls:
                message = (
                    "MUTUAL without credentialName is not carried: no client certificate is shown"
                )
                problems.append(not_carried(policy.tls.origin, message))
            name = f"kubernetes://{tls.credential_name}" if tls.credential_name else ""
            return OriginateTls(
                sni=tls.sni,
                secret=name if tls.mode == "MUTUAL" else "",
                root=f"{name}-cacert" if name else "",
                sans=tuple(tls.subject_alt_names) or service.sans,
                verify=not tls.insecure_skip_verify,
            )
        case _:
            return Plaintext()
