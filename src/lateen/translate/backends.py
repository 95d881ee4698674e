"""Where requests can go: backends with all that applies on the way, and their endpoints.

In: World, DestinationIndex, MtlsIndex.    Out: Backend, EndpointSet, problems.
Before: translate/destinations.py          After: translate/outbound.py, translate/gateways.py
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

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
from lateen.translate.certfiles import pair_name, root_name
from lateen.translate.destinations import NOTHING, Destinations, Effective
from lateen.translate.faults import no_upgrade, not_carried
from lateen.translate.localities import (
    NODE,
    SOMEWHERE,
    Placed,
    Preference,
    Viewer,
    placed_labels,
    preference_of,
    ranked,
)
from lateen.translate.meshwide import NOTHING_SAID, MeshWide, stat_name
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


class ServiceBackends(Struct, frozen=True, kw_only=True):
    """Everything one service contributes: a backend for each port, and for each subset of it."""

    backends: tuple[Backend, ...]
    endpoints: tuple[EndpointSet, ...]
    problems: tuple[Problem, ...] = ()


class Client(Struct, frozen=True, kw_only=True):
    """Who calls: a proxy of that role, and from where it looks."""

    world: World
    mtls: MtlsIndex
    wide: MeshWide = NOTHING_SAID
    default: Effective = NOTHING
    viewer: Viewer = SOMEWHERE
    role: Role = Role.SIDECAR


def service_backends(client: Client, service: Service, rules: Destinations) -> ServiceBackends:
    """The backends of one service, as a client is to use them."""
    backends: list[Backend] = []
    endpoints: list[EndpointSet] = []
    problems: list[Problem] = []
    instances = client.world.instances_of(service)
    for port in service.ports:
        for subset in ("", *rules.subsets):
            labels = rules.subsets[subset].value.labels if subset else {}
            chosen = tuple(i for i in instances if _carries(i, labels))
            id = BackendId(host=service.host, port=port.number, subset=subset)
            known = _reached(chosen, port, client.mtls)
            preference = _preference(client, service, rules.effective(port.number, subset))
            backend = _backend(id, service, port, rules, known, client, problems)
            order = (
                preference if preference and preference.decides(bool(backend.ejection)) else None
            )
            backend = replace(backend, by_place=order.weighted) if order else backend
            if order and isinstance(backend.discovery, Outside):
                outside = _ranked_outside(backend.discovery, order, client.viewer)
                backend = replace(backend, discovery=outside)
            backends.append(backend)
            if known or not service.is_entry:
                ready = tuple(i for i in chosen if i.ready and _is_near(i, service, client))
                found = (
                    _ranked_endpoints(_placed(ready, port, client.mtls), order, client.viewer)
                    if order
                    else _reached(ready, port, client.mtls)
                )
                endpoints.append(EndpointSet(id=id, endpoints=found))
    return ServiceBackends(
        backends=tuple(backends), endpoints=tuple(endpoints), problems=tuple(problems)
    )


def _is_near(instance: Instance, service: Service, client: Client) -> bool:
    """Whether internalTrafficPolicy lets this client go there."""
    if not service.local:
        return True
    pod = instance.workload
    return pod is not None and pod.node == client.viewer.label(NODE)


def _preference(client: Client, service: Service, policy: Effective) -> Preference | None:
    """Which endpoints come first by their place."""
    rule = policy.balance.value.locality_lb_setting if policy.balance else None
    return preference_of(rule, service.distribution, client.world.mesh.locality_lb_setting)


def _ranked_outside(outside: Outside, order: Preference, viewer: Viewer) -> Outside:
    placed = [
        Placed(
            item=each,
            locality=each.locality,
            labels=placed_labels({}, each.locality, ""),
            weight=each.weight,
        )
        for each in outside.destinations
    ]
    made = ranked(order, viewer, placed)
    return Outside(tuple(replace(r.item, priority=r.priority, share=r.share) for r in made))


def _ranked_endpoints(
    placed: list[Placed[Endpoint]], order: Preference, viewer: Viewer
) -> tuple[Endpoint, ...]:
    made = ranked(order, viewer, placed)
    return tuple(sorted(replace(r.item, priority=r.priority, share=r.share) for r in made))


def _carries(instance: Instance, labels: dict[str, str]) -> bool:
    have = instance.workload.labels if instance.workload else {}
    return labels.items() <= have.items()


def _reached(instances: tuple[Instance, ...], port: Port, mtls: MtlsIndex) -> tuple[Endpoint, ...]:
    """The endpoints behind a port, sorted, without repeats."""
    found = (_endpoint(instance, port, mtls) for instance in instances)
    return tuple(sorted({e for e in found if e}))


def _placed(instances: tuple[Instance, ...], port: Port, mtls: MtlsIndex) -> list[Placed[Endpoint]]:
    """The same with what they are preferred by."""
    found: dict[Endpoint, Instance] = {}
    for instance in instances:
        endpoint = _endpoint(instance, port, mtls)
        if endpoint:
            found.setdefault(endpoint, instance)
    return [
        Placed(item=each, locality=each.locality, labels=_labels(found[each]))
        for each in sorted(found)
    ]


def _labels(instance: Instance) -> Mapping[str, str]:
    pod = instance.workload
    return placed_labels(pod.labels, pod.locality, pod.node) if pod else {}


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
    client: Client,
    problems: list[Problem],
) -> Backend:
    """`known` are all endpoints, ready or not, so that identities do not come and go with them."""
    policy = rules.effective(port.number, id.subset).over(client.default)
    role = client.role
    said = policy.balance.value if policy.balance else None
    balance = balance_of(said)
    if service.shape in (Shape.ENTRY_NONE, Shape.ENTRY_ASKED) or (
        service.shape is Shape.HEADLESS and role is Role.SIDECAR
    ):
        balance = Balance.PASSTHROUGH
    return Backend(
        id=id,
        discovery=InMesh()
        if known
        else _discovery(service, port, rules.subsets[id.subset].value.labels if id.subset else {}),
        wire=_wire(id, port, policy, client, problems),
        security=_security(id, service, policy, known, client, balance, problems),
        balance=balance,
        hashing=None if balance is Balance.PASSTHROUGH else hashing_of(said),
        by_source=isinstance(hash_of(rules, port.number, id.subset), SourceHash),
        warmup=warmup_of(said),
        tunnel=tunnel_of(policy.tunnel),
        proxy_protocol=_VERSIONS[policy.proxy_protocol.version] if policy.proxy_protocol else 0,
        limits=limits_of(policy.pool.value if policy.pool else None, policy.budget, client.wide),
        ejection=ejection_of(policy.outlier.value, policy.outlier.origin)
        if policy.outlier
        else None,
        policies=policy.origins,
        stat_name=stat_name(client.wide.stat_name, service, port, id.subset),
        origin=rules.subsets[id.subset].origin if id.subset else port.origin,
    )


def _discovery(service: Service, port: Port, labels: Mapping[str, str]) -> Discovery:
    """Where the endpoints are that carry these labels (all of them, without a subset)."""
    if not service.is_entry or service.shape is Shape.ENTRY_NONE:
        return (
            InMesh()
        )  # for NONE: whatever address the client dialled, through the sandbox's way out
    target = port.target if isinstance(port.target, int) else port.number
    if service.shape is Shape.ENTRY_ASKED:
        return Outside((Remote(host=service.host, port=port.number),), asked=True)
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
    id: BackendId, port: Port, policy: Effective, client: Client, problems: list[Problem]
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
    said = http.h2_upgrade_policy if http else ""
    if declared and client.wide.upgrade and said != "DO_NOT_UPGRADE":
        return Wire.HTTP2
    if declared or client.role is Role.GATEWAY:
        return Wire.HTTP1
    return Wire.CLIENT


class _Peers(Struct, frozen=True, kw_only=True):
    """Who stands behind a backend: pods of the mesh (`inside`) or not, found by themselves (`auto`)."""

    identities: tuple[str, ...]
    inside: bool
    auto: bool


def _peers(service: Service, known: tuple[Endpoint, ...], client: Client) -> _Peers:
    """Their identities, under each name that the mesh's trust domain has."""
    given = {e.identity for e in service.endpoints if e.identity}
    own = given | {e.cluster_identity for e in known if e.mtls}
    domain = f"spiffe://{client.world.trust_domain}/"
    others = {
        identity.replace(domain, f"spiffe://{alias}/", 1)
        for identity in own
        for alias in client.wide.aliases
    }
    return _Peers(
        identities=tuple(sorted(own | others)),
        inside=bool(known),
        auto=client.wide.auto_mtls,
    )


def _security(
    id: BackendId,
    service: Service,
    policy: Effective,
    known: tuple[Endpoint, ...],
    client: Client,
    balance: Balance,
    problems: list[Problem],
) -> Security:
    peers = _peers(service, known, client)
    identities, wide = peers.identities, client.wide
    sni = f"outbound_.{id.port}_.{id.subset}_.{id.host}"
    tls = policy.tls.value if policy.tls else None
    if tls is None:
        if not peers.auto or (service.is_entry and not peers.inside):
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
            files = tls.client_certificate and tls.private_key
            own = pair_name(tls.client_certificate, tls.private_key) if files else ""
            root = root_name(tls.ca_certificates, tls.ca_crl)
            if tls.ca_crl and not root and not tls.credential_name and policy.tls:
                message = (
                    "a caCrl is for roots of caCertificates; nothing is revoked of the system's"
                )
                problems.append(not_carried(policy.tls.origin, message))
            if tls.credential_name:
                own = f"kubernetes://{tls.credential_name}"
                root = f"{own}-cacert"
            if tls.mode == "MUTUAL" and not own and policy.tls:
                message = (
                    "MUTUAL without credentialName is not carried: no client certificate is shown"
                )
                problems.append(not_carried(policy.tls.origin, message))
            return OriginateTls(
                sni=tls.sni,
                secret=own if tls.mode == "MUTUAL" else "",
                root=root,
                sans=tuple(tls.subject_alt_names) or service.sans,
                verify=not tls.insecure_skip_verify and (wide.verify or bool(root)),
                ciphers=wide.ciphers,
                curves=wide.curves,
            )
        case _:
            return Plaintext()
