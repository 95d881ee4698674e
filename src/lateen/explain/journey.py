"""Follow a made-up request from who sends it to who answers it, proxy by proxy.

In: Mesh, Ask, a workload.             Out: Journey: hops, legs, answers.
Before: mesh.py, walk_ir.py            After: ways.py, telling.py, cli/

Apps are taken to answer 200, and every endpoint to be up. A retry would meet the same, so none is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from lateen.envoy import names
from lateen.explain.answers import (
    closed,
    named_backend,
    named_pod,
    own_answer,
    proxy_named,
    status_of,
    unavailable,
)
from lateen.explain.asking import Ask
from lateen.explain.mesh import Mesh
from lateen.explain.onward import onward
from lateen.explain.request import (
    Forwarded,
    Request,
    Way,
)
from lateen.explain.steps import Part, Step, trail_of
from lateen.explain.walk_ir import way_through_ir
from lateen.explain.ways import Answer, Hop, Journey, Leg
from lateen.ir.backends import (
    Backend,
    Balance,
    Endpoint,
    MeshMtls,
    OriginateTls,
    Outside,
    Plaintext,
)
from lateen.ir.packets import admits
from lateen.ir.plan import ProxyPlan, Role
from lateen.world.model import Injection, Workload

OUTSIDE_CLIENT = "203.0.113.7"  # RFC 5737: an address for documentation
_DEEPEST = 6  # hops; more is a loop


def journey_from(mesh: Mesh, ask: Ask, source: Workload) -> Journey:
    """The way of a request that an app of the mesh sends."""
    found = mesh.address_of(ask.host, source.namespace)
    if found is None:
        words = f"DNS knows no {ask.host} in namespace {source.namespace}"
        step = Step(part=Part.NAME, name=ask.host, held=False, because=words)
        answer = Answer(status=0, by="DNS", why=words)
        return Journey(ask=ask, source=source, steps=(step,), then=answer)
    address, host = found
    service = mesh.service(host, source.namespace)
    what = f"is {host}, {address}" if address and address != host else "is outside"
    step = Step(
        part=Part.NAME,
        name=ask.host,
        held=True,
        because="an address" if address == host else what,
        origin=service.origin if service else "",
    )
    request = _request(ask, Way.OUTBOUND, address=address, source=source.address)
    first = _Going(mesh).leave(source, request, 0)
    return Journey(ask=ask, source=source, steps=(step,), then=first)


def journey_via(mesh: Mesh, ask: Ask, gateway: Workload, *, client: str = "") -> Journey:
    """The way of a request that a client outside sends to a gateway's port."""
    request = _request(ask, Way.GATEWAY, address="", source=client or OUTSIDE_CLIENT)
    hop = _Going(mesh).enter(gateway, replace(request, sni=request.host if ask.tls else ""), 0)
    return Journey(ask=ask, source=None, steps=(), then=hop)


def _request(ask: Ask, way: Way, *, address: str, source: str) -> Request:
    return Request(
        way=way,
        port=ask.port,
        method=ask.method,
        path=ask.path,
        authority=ask.authority,
        headers=ask.headers,
        address=address,
        tls=ask.tls,
        raw=ask.raw,
        source=source,
        client=source,
        trusted=ask.trusted,
    )


class _Going(Struct, frozen=True):
    """The way through one mesh."""

    mesh: Mesh

    def leave(self, workload: Workload, request: Request, depth: int) -> Hop:
        """A request as an app sends it."""
        plan = self.mesh.plan_of(workload)
        taken = workload.interception.takes_out(request.address, request.port)
        if plan is None or plan.proxy.role is Role.GATEWAY or not taken:
            without = workload if taken else replace(workload, injection=Injection.NONE)
            leg = self._bare(without, request, depth)
            return Hop(
                workload=workload,
                way=Way.OUTBOUND,
                request=request,
                steps=(),
                outcome=None,
                then=(leg,),
            )
        return self._hop(workload, plan, request, depth)

    def enter(self, workload: Workload, request: Request, depth: int) -> Hop:
        """A request as it comes to a pod."""
        plan = self.mesh.plan_of(workload)
        if plan is None:
            answer = Answer(
                status=status_of(request), by=named_pod(workload), why="no proxy", app=True
            )
            return Hop(
                workload=workload,
                way=Way.INBOUND,
                request=request,
                steps=(),
                outcome=None,
                then=answer,
            )
        way = Way.GATEWAY if plan.proxy.role is Role.GATEWAY else Way.INBOUND
        if way is Way.INBOUND and not workload.interception.takes_in(request.port):
            return self._past(workload, request)
        return self._hop(workload, plan, replace(request, way=way), depth)

    def _past(self, workload: Workload, request: Request) -> Hop:
        """A port that an annotation has left alone: the app answers, if it is spoken to in the clear."""
        if request.peer:
            why = "the app itself is spoken to, past its proxy, and is sent the mesh's TLS"
            answer = Answer(status=0, by=named_pod(workload), why=why)
        else:
            why = "the port goes past its proxy"
            answer = Answer(status=status_of(request), by=named_pod(workload), why=why, app=True)
        return Hop(
            workload=workload,
            way=Way.INBOUND,
            request=request,
            steps=(),
            outcome=None,
            then=answer,
        )

    def _hop(self, workload: Workload, plan: ProxyPlan, request: Request, depth: int) -> Hop:
        steps, outcome = trail_of(way_through_ir(plan, request))
        then: tuple[Leg, ...] | Answer
        if isinstance(outcome, Forwarded):
            then = self._on(workload, plan, request, outcome, depth)
        else:
            then = own_answer(workload, outcome, request)
        return Hop(
            workload=workload,
            way=request.way,
            request=request,
            steps=steps,
            outcome=outcome,
            then=then,
        )

    def _on(
        self, workload: Workload, plan: ProxyPlan, request: Request, sent: Forwarded, depth: int
    ) -> tuple[Leg, ...] | Answer:
        if request.way is Way.INBOUND:
            return Answer(status=status_of(request), by=named_pod(workload), app=True)
        aborted = sent.aborts[0] if sent.aborts else 0.0
        legs: list[Leg] = []
        if sent.aborts:
            fault = Answer(
                status=sent.aborts[1],
                by=proxy_named(workload),
                why="a fault that is made on purpose",
                origin=sent.origin,
            )
            legs.append(Leg(share=aborted, cluster="", to="", then=fault))
        total = sum(weight for _, weight in sent.shares) or 1
        for number, (cluster, weight) in enumerate(sent.shares):
            share = weight / total * (100.0 - aborted)
            if share:
                further = onward(request, sent, number)
                legs += self._legs(workload, plan, cluster, further, share, depth)
        for cluster, percent in sent.mirrors:
            copy = onward(request, sent, -1)
            copy = replace(copy, authority=f"{copy.host}-shadow{copy.authority[len(copy.host) :]}")
            legs += [
                replace(leg, copy=True)
                for leg in self._legs(workload, plan, cluster, copy, percent, depth)
            ]
        return tuple(legs)

    def _legs(
        self,
        workload: Workload,
        plan: ProxyPlan,
        cluster: str,
        request: Request,
        share: float,
        depth: int,
    ) -> list[Leg]:
        if cluster == names.BLACK_HOLE:
            why = "no service of the mesh has this address, and nothing else may be reached"
            return [_ended(share, cluster, closed(workload, why))]
        if cluster == names.PASSTHROUGH:
            return [self._dialled(workload, cluster, request, share, depth)]
        id = names.backend_of(cluster)
        backend = next((each for each in plan.backends if each.id == id), None)
        if id is None or backend is None:
            why = "there is no such destination (a subset that no DestinationRule has?)"
            return [_ended(share, cluster, unavailable(workload, request, why))]
        if isinstance(backend.discovery, Outside):
            return [_outside(share, cluster, backend, request)]
        if backend.balance is Balance.PASSTHROUGH:
            leg = self._dialled(workload, cluster, request, share, depth, backend)
            return [replace(leg, subset=id.subset, origins=backend.policies)]
        return self._balanced(workload, plan, backend, request, share, depth)

    def _balanced(
        self,
        workload: Workload,
        plan: ProxyPlan,
        backend: Backend,
        request: Request,
        share: float,
        depth: int,
    ) -> list[Leg]:
        """A leg for each workload behind a cluster, by the number of its endpoints."""
        cluster = names.outbound_cluster(backend.id)
        found = next((each.endpoints for each in plan.endpoints if each.id == backend.id), ())
        first = min((each.priority for each in found), default=0)
        groups: dict[tuple[str, str], list[Endpoint]] = {}
        for each in found:
            if each.priority == first:
                groups.setdefault((each.namespace, each.workload or each.address), []).append(each)
        if not groups:
            why = f"{named_backend(backend.id)} has no endpoint"
            answer = unavailable(workload, request, why, str(backend.origin))
            return [_ended(share, cluster, answer, backend)]
        total = sum(map(len, groups.values()))
        return [
            self._leg(
                workload, backend, request, group, share=share * len(group) / total, depth=depth
            )
            for group in groups.values()
        ]

    def _leg(
        self,
        workload: Workload,
        backend: Backend,
        request: Request,
        group: list[Endpoint],
        *,
        share: float,
        depth: int,
    ) -> Leg:
        one = group[0]
        mtls = _encrypted(backend, one)
        onward = replace(
            request,
            port=one.port,
            address=one.address,
            peer=workload.identity if mtls else "",
            tls=isinstance(backend.security, OriginateTls) or (mtls and not one.mtls),
            sni=backend.security.sni
            if isinstance(backend.security, MeshMtls | OriginateTls)
            else "",
        )
        steps, then = self._arrived(
            workload, onward, _refused(workload, backend, one, request), depth
        )
        return Leg(
            share=share,
            cluster=names.outbound_cluster(backend.id),
            subset=backend.id.subset,
            to=f"{one.namespace}/{one.workload}" if one.workload else f"{one.address}:{one.port}",
            endpoints=tuple(f"{each.address}:{each.port}" for each in group),
            mtls=mtls,
            origins=backend.policies or (backend.origin,),
            steps=steps,
            then=then,
        )

    def _dialled(
        self,
        workload: Workload,
        cluster: str,
        request: Request,
        share: float,
        depth: int,
        backend: Backend | None = None,
    ) -> Leg:
        """To the address the client dialled, whoever has it."""
        where = f"{request.address or request.host}:{request.port}"
        pod = self.mesh.pods.get(request.address)
        if request.address in self.mesh.services:
            why = f"a Service has this address, and no port {request.port}"
            return _ended(share, cluster, Answer(status=0, by="nobody", why=why))
        if pod is None:
            answer = Answer(status=status_of(request), by=f"{where} outside", app=True)
            return Leg(share=share, cluster=cluster, to=where, endpoints=(where,), then=answer)
        mtls = (
            backend is not None
            and isinstance(backend.security, MeshMtls)
            and pod.injection is Injection.SIDECAR
        )
        onward = replace(request, peer=workload.identity if mtls else "")
        steps, then = self._arrived(workload, onward, None, depth)
        return Leg(
            share=share,
            cluster=cluster,
            to=f"{pod.namespace}/{pod.workload}",
            endpoints=(where,),
            mtls=mtls,
            steps=steps,
            then=then,
        )

    def _bare(self, workload: Workload, request: Request, depth: int) -> Leg:
        """From a pod without a proxy: to any endpoint of the Service, or to what was dialled."""
        for service in (s for each in self.mesh.world.services.values() for s in each):
            port = service.port(request.port)
            if request.address and request.address in service.addresses and port:
                ready = [i for i in self.mesh.world.instances_of(service) if i.ready]
                one = next((i for i in ready if i.port(port.name)), None)
                if one is None:
                    why = f"{service.host} has no endpoint"
                    return _ended(100.0, "", Answer(status=0, by="nobody", why=why))
                request = replace(request, address=one.address, port=one.port(port.name) or 0)
                break
        return self._dialled(workload, "", request, 100.0, depth)

    def _arrived(
        self, source: Workload, request: Request, refused: Answer | None, depth: int
    ) -> tuple[tuple[Step, ...], Hop | Answer]:
        """What comes of a request that is sent to a pod's address."""
        pod = self.mesh.pods.get(request.address)
        if refused or depth >= _DEEPEST:
            return (), refused or unavailable(source, request, "the way goes in a circle")
        if pod is None:
            by = f"{request.address}:{request.port} outside the mesh"
            return (), Answer(status=status_of(request), by=by, app=True)
        steps = tuple(self._packets(source, pod, request))
        if any(not step.held for step in steps):
            return steps, unavailable(source, request, steps[-1].why, str(steps[-1].origin))
        hop = self.enter(pod, replace(request, source=source.address, claims=None), depth + 1)
        if isinstance(hop.then, Answer) and hop.then.status == 0 and not request.raw:
            why = f"{hop.then.by} closes the connection: {hop.then.why}"
            hop = replace(hop, then=unavailable(source, request, why, hop.then.origin))
        return steps, hop

    def _packets(self, source: Workload, pod: Workload, request: Request) -> Iterator[Step]:
        """NetworkPolicies on the way, if any are about either end."""
        if pod.address == source.address:
            return
        for who, allows, other in (
            (source, self.mesh.filter_of(source).egress, pod.address),
            (pod, self.mesh.filter_of(pod).ingress, source.address),
        ):
            if allows is not None:
                held = admits(allows, other, "TCP", request.port)
                words = "lets it pass" if held else f"nothing lets it pass at {named_pod(who)}"
                yield Step(
                    part=Part.PACKETS,
                    name=named_pod(who),
                    held=held,
                    because=words,
                    origin=next((each.origin for each in allows), ""),
                )


def _encrypted(backend: Backend, endpoint: Endpoint) -> bool:
    security = backend.security
    return isinstance(security, MeshMtls) and (endpoint.mtls or not security.auto)


def _refused(
    workload: Workload, backend: Backend, endpoint: Endpoint, request: Request
) -> Answer | None:
    """What the client's own proxy says where the server is not who it should be."""
    security = backend.security
    if isinstance(security, Plaintext | OriginateTls) or not _encrypted(backend, endpoint):
        return None
    if not endpoint.cluster_identity or endpoint.cluster_identity in security.identities:
        return None
    wanted = " or ".join(security.identities)
    why = f"the server is {endpoint.cluster_identity}, and {wanted} is wanted"
    return unavailable(workload, request, why)


def _ended(share: float, cluster: str, answer: Answer, backend: Backend | None = None) -> Leg:
    subset = backend.id.subset if backend else ""
    origins = (backend.policies or (backend.origin,)) if backend else ()
    return Leg(share=share, cluster=cluster, to="", subset=subset, origins=origins, then=answer)


def _outside(share: float, cluster: str, backend: Backend, request: Request) -> Leg:
    discovery = backend.discovery
    places = discovery.destinations if isinstance(discovery, Outside) else ()
    where = tuple(f"{each.host}:{each.port}" for each in places)
    to = where[0] if where else backend.id.host
    answer = Answer(status=status_of(request), by=f"{to} outside", app=True)
    return Leg(
        share=share,
        cluster=cluster,
        to=to,
        subset=backend.id.subset,
        endpoints=where,
        origins=backend.policies or (backend.origin,),
        then=answer,
    )
