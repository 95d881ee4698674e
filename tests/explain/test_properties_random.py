"""A property of any kind, against what the walkers say of many requests from everybody to everything."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lateen.envoy import names
from lateen.explain.differing.meshes import Party
from lateen.explain.ir_match import matches
from lateen.explain.properties.forms import Asked, Group, Property, pattern
from lateen.explain.properties.proving import check_property
from lateen.explain.properties.verdicts import Proved, Refuted
from lateen.explain.request import Forwarded, Request, Way
from lateen.explain.walk_ir import walk_ir
from lateen.ir.backends import MeshMtls
from tests.explain.test_properties import TEXT, mesh_of

PATHS = ("/", "/admin", "/admin/a", "/shop/x", "/shop", "/shop/%2Fadmin")
METHODS = ("GET", "POST", "DELETE", "HEAD")
CLAIMS = ({"iss": "https://login.example.com", "sub": "jane"}, None)


@cache
def arrivals() -> tuple[tuple[Party, Party, Request], ...]:
    """Everything that arrives: from whom, at whom, and as what."""
    mesh = mesh_of(TEXT)
    found = []
    by_address = {p.pod.address: p for p in mesh.parties.values()}
    for source in mesh.parties.values():
        for request in _sent_by(source):
            assert source.plan is not None
            outcome = walk_ir(source.plan, request)
            if not isinstance(outcome, Forwarded):
                continue
            for cluster, share in outcome.shares:
                backend = names.backend_of(cluster)
                known = next((b for b in source.plan.backends if b.id == backend), None)
                ends = next((e for e in source.plan.endpoints if e.id == backend), None)
                for end in ends.endpoints if ends and share else ():
                    target = by_address[end.address]
                    mtls = known is not None and isinstance(known.security, MeshMtls)
                    arrived = replace(
                        request,
                        way=Way.INBOUND,
                        port=end.port,
                        path=outcome.path,
                        authority=outcome.authority,
                        address=end.address,
                        source=source.pod.address,
                        peer=source.pod.identity if mtls else "",
                    )
                    if target.is_gateway or target.plan is None:
                        continue
                    if isinstance(walk_ir(target.plan, arrived), Forwarded):
                        found.append((source, target, arrived))
    return tuple(found)


def _sent_by(source: Party) -> list[Request]:
    way = Way.GATEWAY if source.is_gateway else Way.OUTBOUND
    hosts = (
        ("shop.example.com",) if source.is_gateway else ("web", "reviews.shop", "ledger.payments")
    )
    return [
        Request(
            way=way,
            port=80,
            method=method,
            path=path,
            authority=host,
            source="203.0.113.9" if source.is_gateway else source.pod.address,
            peer="" if source.is_gateway else source.pod.identity,
            claims=claims,
        )
        for host in hosts
        for method in METHODS
        for path in PATHS
        for claims in CLAIMS
    ]


some_names = st.lists(
    st.sampled_from(("web.shop", "batch.shop", "ledger", "reviews-*", "istio-ingressgateway.*")),
    max_size=2,
).map(tuple)
spaces = st.lists(st.sampled_from(("shop", "payments", "istio-*")), max_size=1).map(tuple)
groups = st.builds(
    Group, workloads=some_names, namespaces=spaces, not_workloads=some_names, not_namespaces=spaces
)
asked = st.builds(
    Asked,
    methods=st.lists(st.sampled_from(METHODS), max_size=2).map(tuple),
    not_methods=st.lists(st.sampled_from(METHODS), max_size=2).map(tuple),
    paths=st.lists(st.sampled_from(("/admin/*", "/shop", "*n", "~/[a-s]+")), max_size=1).map(
        lambda texts: tuple(map(pattern, texts))
    ),
    token=st.sampled_from((None, True, False)),
    mtls=st.sampled_from((None, None, True)),
)


def is_meant(wanted: Property, source: Party, target: Party, arrived: Request) -> bool:
    """Whether a request that arrived is of the kind a property forbids."""
    path = arrived.path.partition("?")[0]
    said = wanted.asked
    return (
        wanted.sources.has(source.name)
        and wanted.targets.has(target.name)
        and (not said.methods or arrived.method in said.methods)
        and arrived.method not in said.not_methods
        and (not said.paths or any(matches(each, path) for each in said.paths))
        and said.mtls in (None, bool(arrived.peer))
        # who takes no tokens accepts none
        and (
            said.token is None
            or said.token is (arrived.claims is not None and target.name == "web.shop")
        )
    )


@given(sources=groups, targets=groups, kind=asked)
@settings(max_examples=60)
def test_what_a_walker_finds_is_found(sources: Group, targets: Group, kind: Asked) -> None:
    wanted = Property(name="random", sources=sources, targets=targets, asked=kind)
    verdict = check_property(mesh_of(TEXT), wanted)
    if isinstance(verdict, Refuted):
        assert verdict.confirmed, verdict
    else:
        assert isinstance(verdict, Proved)
        against = [each for each in arrivals() if is_meant(wanted, *each)]
        assert not against, against[0]
