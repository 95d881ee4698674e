"""Check what VirtualServices, DestinationRules and Gateways refer to.

In: the object, an Inventory.    Out: problems.    Source: Istio pkg/config/analysis/analyzers.
Before: check/inventory.py       After: check/together.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lateen.api.codes import (
    CONFLICTING_GATEWAYS,
    CONFLICTING_MESH_HOSTS,
    HOST_NOT_IN_GATEWAY,
    INVALID_CREDENTIAL,
    REFERENCE_NOT_FOUND,
    SUBSET_WITHOUT_PODS,
    UNKNOWN_RULE_HOST,
)
from lateen.api.destinationrule import DestinationRule
from lateen.api.gateway import Gateway, Server
from lateen.api.objects import Obj
from lateen.api.virtualservice import Destination, VirtualService
from lateen.base.problem import Problem
from lateen.check.at import At
from lateen.check.hosts import covers
from lateen.check.inventory import EGRESS_HOST, Inventory, Provided, full_host
from lateen.check.virtualservice import MESH


def check_virtual_service_references(
    service: VirtualService, at: At, inventory: Inventory
) -> Iterator[Problem]:
    """Destinations, and the gateways it is bound to."""
    for destination, here in _destinations(service, at.key("spec")):
        yield from _destination(destination, here, inventory)
    for index, name in enumerate(service.spec.gateways):
        if name != MESH:
            here = at.key("spec", "gateways").item(index)
            yield from _gateway(service, name, here, inventory)


def _destinations(service: VirtualService, at: At) -> Iterator[tuple[Destination, At]]:
    """Every destination it names, mirrors among them, and where."""
    for index, route in enumerate(service.spec.http):
        here = at.key("http").item(index)
        for number, split in enumerate(route.route):
            yield split.destination, here.key("route").item(number).key("destination")
        if route.mirror:
            yield route.mirror, here.key("mirror")
        for number, mirror in enumerate(route.mirrors):
            yield mirror.destination, here.key("mirrors").item(number).key("destination")
    raw = [("tls", index, each.route) for index, each in enumerate(service.spec.tls)]
    raw += [("tcp", index, each.route) for index, each in enumerate(service.spec.tcp)]
    for kind, index, shares in raw:
        for number, share in enumerate(shares):
            here = at.key(kind).item(index).key("route").item(number)
            yield share.destination, here.key("destination")


def _destination(destination: Destination, at: At, inventory: Inventory) -> Iterator[Problem]:
    host, namespace = destination.host, at.obj.key.namespace
    if not host:
        return
    found = inventory.host(host, namespace)
    if found is None:
        near = inventory.similar_host(host, namespace)
        fix = f'did you mean "{near}"?' if near else "add a Service or ServiceEntry for it"
        yield _missing(at.key("host"), "host", host, fix)
        return
    subset = destination.subset
    if subset and not inventory.has_subset(host, subset, namespace):
        fix = f"add subset {subset} to a DestinationRule for {host}"
        yield _missing(at.key("subset"), "host+subset in destinationrule", f"{host}+{subset}", fix)
    if destination.port and found.ports is not None:
        number = destination.port.number
        if number not in found.ports:
            fix = f"its ports are: {', '.join(map(str, sorted(found.ports))) or 'none'}"
            if full_host(host, namespace) == EGRESS_HOST:
                fix += "; a server in a Gateway that selects it adds one"
            yield _missing(at.key("port", "number"), "host:port", f"{host}:{number}", fix)


def _missing(at: At, what: str, name: str, fix: str = "") -> Problem:
    return at.error(f'Referenced {what} not found: "{name}"', fix, REFERENCE_NOT_FOUND)


def _gateway(service: VirtualService, name: str, at: At, inventory: Inventory) -> Iterator[Problem]:
    namespace = at.obj.key.namespace
    full = name if "/" in name else f"{namespace}/{name}"
    gateway = inventory.gateways.get(full)
    if gateway is None:
        same = [n for n in sorted(inventory.gateways) if n.split("/")[1] == full.split("/")[1]]
        fix = f'did you mean "{same[0]}"?' if same else ""
        yield _missing(at, "gateway", name, fix)
        return
    served = [host for server in gateway.spec.servers for host in _visible(server, full, namespace)]
    lost = [
        host
        for host in service.spec.hosts
        if not any(covers(s, host) or covers(host, s) for s in served)
    ]
    if lost:
        words = (
            f"one or more host [{' '.join(lost)}] defined in VirtualService"
            f" {namespace}/{at.obj.key.name} not found in Gateway {full}"
        )
        yield at.warning(words, code=HOST_NOT_IN_GATEWAY)


def _visible(server: Server, gateway: str, namespace: str) -> Iterator[str]:
    """The server's hosts that take routes from that namespace."""
    own = gateway.split("/", maxsplit=1)[0]
    for host in server.hosts:
        where, slash, name = host.rpartition("/")
        if not slash or where in ("*", namespace) or (where == "." and own == namespace):
            yield name


def check_destination_rule_references(
    rule: DestinationRule, at: At, inventory: Inventory
) -> Iterator[Problem]:
    """Its host, and pods for its subsets."""
    host, namespace = rule.spec.host, at.obj.key.namespace
    found = inventory.host(host, namespace)
    if found is None:
        if "*" not in host:
            words = (
                f"The host {host} defined in the DestinationRule does not match any services in the"
                " mesh"
            )
            near = inventory.similar_host(host, namespace)
            fix = f'did you mean "{near}"?' if near else ""
            yield at.key("spec", "host").warning(words, fix, UNKNOWN_RULE_HOST)
        return
    for index, subset in enumerate(rule.spec.subsets):
        if not _has_pods(found, subset.labels, inventory):
            words = (
                f"The Subset {subset.name} defined in the DestinationRule does not select any pods."
                " Which may lead to 503 UH (NoHealthyUpstream)"
            )
            here = at.key("spec", "subsets").item(index)
            yield here.error(words, code=SUBSET_WITHOUT_PODS)


def _has_pods(found: Provided, labels: Mapping[str, str], inventory: Inventory) -> bool:
    if found.service is None or not found.service.spec.selector:
        return True
    wanted = {**found.service.spec.selector, **labels}
    if any(found.service.spec.selector.get(k, v) != v for k, v in labels.items()):
        return False
    return bool(inventory.selected(wanted, found.namespace))


def check_gateway_references(gateway: Gateway, at: At, inventory: Inventory) -> Iterator[Problem]:
    """The workload it selects, and the Secrets that hold its certificates."""
    workloads = inventory.selected(gateway.spec.selector, None)
    if gateway.spec.selector and not workloads:
        shown = ",".join(f"{k}={v}" for k, v in sorted(gateway.spec.selector.items()))
        fix = "lateen's own gateways are istio: ingressgateway and istio: egressgateway"
        yield _missing(at.key("spec", "selector"), "selector", shown, fix)
    namespaces = {w.namespace for w in workloads}
    for index, server in enumerate(gateway.spec.servers):
        if server.tls and server.tls.credential_name and namespaces:
            here = at.key("spec", "servers").item(index).key("tls", "credentialName")
            yield from _credential(server.tls.credential_name, namespaces, here, inventory)


def _credential(name: str, namespaces: set[str], at: At, inventory: Inventory) -> Iterator[Problem]:
    """Istio reads the Secret beside the gateway's pods."""
    secrets = [s for n in namespaces if (s := inventory.secrets.get((n, name)))]
    if not secrets:
        where = ", ".join(sorted(namespaces))
        fix = f"create a Secret of type kubernetes.io/tls named {name} in namespace {where}"
        yield _missing(at, "credentialName", name, fix)
    elif not any({"tls.crt", "tls.key"} <= s.data.keys() for s in secrets) and not any(
        {"cert", "key"} <= s.data.keys() for s in secrets
    ):
        words = (
            f"The credential referenced by the Gateway {at.obj.key.name} in namespace"
            f" {at.obj.key.namespace} is invalid, which can cause the traffic not to work as"
            " expected"
        )
        yield at.error(words, "it needs the keys tls.crt and tls.key", INVALID_CREDENTIAL)


def check_mesh_hosts(objects: Sequence[Obj]) -> Iterator[Problem]:
    """VirtualServices of the mesh that claim the same host where both are seen (`exportTo`)."""
    claims: dict[str, list[tuple[At, frozenset[str]]]] = {}
    for obj in objects:
        if not isinstance(service := obj.typed, VirtualService):
            continue
        if service.spec.gateways and MESH not in service.spec.gateways:
            continue
        own = obj.key.namespace
        seen = frozenset(own if space == "." else space for space in service.spec.export_to or "*")
        for index, host in enumerate(service.spec.hosts):
            at = At(obj).key("spec", "hosts").item(index)
            claims.setdefault(full_host(host, own), []).append((at, seen))
    for host, places in claims.items():
        for at, seen in places:
            rivals = [other for other, theirs in places if seen & theirs or "*" in seen | theirs]
            if len(rivals) < 2:
                continue
            names = ",".join(f"{r.obj.key.namespace}/{r.obj.key.name}" for r in rivals)
            words = (
                f"The VirtualServices {names} associated with mesh gateway define the same host"
                f" {host} which can lead to undefined behavior. This can be fixed by merging the"
                " conflicting VirtualServices into a single resource"
            )
            yield at.error(words, code=CONFLICTING_MESH_HOSTS)


def check_gateway_conflicts(objects: Sequence[Obj]) -> Iterator[Problem]:
    """Gateways of the same workload that claim the same host on the same port.

    Those whose selectors hold one another select the same pods, as far as files can tell.
    """
    claims: dict[tuple[int, str], list[tuple[At, Mapping[str, str]]]] = {}
    for obj in objects:
        if not isinstance(gateway := obj.typed, Gateway):
            continue
        for index, server in enumerate(gateway.spec.servers):
            at = At(obj).key("spec", "servers").item(index)
            for host in server.hosts:
                claim = (server.port.number, host)
                claims.setdefault(claim, []).append((at, gateway.spec.selector))
    for (port, host), places in claims.items():
        for at, selector in places:
            rivals = {
                f"{other.obj.key.namespace}/{other.obj.key.name}"
                for other, theirs in places
                if selector.items() <= theirs.items() or theirs.items() <= selector.items()
            }
            if len(rivals) < 2:
                continue
            shown = ",".join(f"{k}={v}" for k, v in sorted(selector.items()))
            words = (
                f"Conflict with gateways {', '.join(sorted(rivals))}"
                f" (workload selector {shown}, port {port}, hosts {host})"
            )
            yield at.error(words, code=CONFLICTING_GATEWAYS)
