"""Endpoints are told by locality, as Istio tells them."""

from __future__ import annotations

from lateen.base.locality import Locality
from lateen.envoy.endpoints import emit_endpoints
from lateen.ir.backends import BackendId, Endpoint, EndpointSet

ID = BackendId(host="web.shop.svc.cluster.local", port=80)


def at(address: str, place: Locality) -> Endpoint:
    return Endpoint(address=address, port=8080, mtls=True, locality=place)


def test_endpoints_of_one_place_are_together_and_weigh_what_they_are() -> None:
    a, b = Locality(region="eu", zone="a"), Locality(region="eu", zone="b", subzone="r1")
    made = emit_endpoints(
        EndpointSet(
            id=ID, endpoints=(at("198.18.0.2", b), at("198.18.0.3", a), at("198.18.0.4", b))
        )
    )
    found = [
        (
            (g.locality.region, g.locality.zone, g.locality.sub_zone),
            [e.endpoint.address.socket_address.address for e in g.lb_endpoints],
            g.load_balancing_weight.value,
        )
        for g in made.endpoints
    ]
    assert found == [
        (("eu", "a", ""), ["198.18.0.3"], 1),
        (("eu", "b", "r1"), ["198.18.0.2", "198.18.0.4"], 2),
    ]


def test_without_places_there_is_one_nameless_group() -> None:
    (group,) = emit_endpoints(
        EndpointSet(id=ID, endpoints=(at("198.18.0.2", Locality()),))
    ).endpoints
    assert not group.HasField("locality")
    assert not group.HasField("load_balancing_weight")
