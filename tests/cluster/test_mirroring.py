"""Endpoints somebody wrote: mirrored as EndpointSlices, for a Service that selects nothing."""

from __future__ import annotations

from typing import Any

from lateen.api.service import EndpointSlice
from tests.cluster.simulated import Cluster

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {ports: [{port: 5432}]}
"""
SELECTING = SERVICE.replace("spec: {", "spec: {selector: {app: web}, ")


def endpoints(subsets: str, labels: str = "{}") -> str:
    return f"""
apiVersion: v1
kind: Endpoints
metadata: {{name: db, namespace: shop, labels: {labels}}}
subsets: {subsets}
"""


ONE = "[{addresses: [{ip: 10.0.0.100}], ports: [{port: 5432}]}]"


def slices(cluster: Cluster) -> list[EndpointSlice]:
    return [s.typed for s in cluster.slices() if isinstance(s.typed, EndpointSlice)]


def said(cluster: Cluster) -> list[tuple[list[tuple[str, bool | None]], list[int | None]]]:
    return [
        (
            [(e.addresses[0], e.conditions.ready) for e in s.endpoints],
            [p.port for p in s.ports],
        )
        for s in slices(cluster)
    ]


def test_an_address_written_by_hand_is_behind_the_service(cluster: Cluster) -> None:
    cluster.apply(SERVICE, endpoints(ONE, "{team: data}"))
    (found,) = slices(cluster)
    assert said(cluster) == [([("10.0.0.100", True)], [5432])]
    assert found.metadata.name.startswith("db-")
    assert found.metadata.labels == {
        "team": "data",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }


def test_what_is_not_ready_is_said_not_to_be(cluster: Cluster) -> None:
    both = (
        "[{addresses: [{ip: 10.0.0.1}], notReadyAddresses: [{ip: 10.0.0.2}], ports: [{port: 1}]}]"
    )
    cluster.apply(SERVICE, endpoints(both))
    assert said(cluster) == [([("10.0.0.1", True), ("10.0.0.2", False)], [1])]


def test_each_subset_has_a_slice_that_follows_it(cluster: Cluster) -> None:
    two = "[{addresses: [{ip: 10.0.0.1}], ports: [{port: 1}]}, {addresses: [{ip: 10.0.0.2}], ports: [{port: 2}]}]"
    cluster.apply(SERVICE, endpoints(two))
    before = [s.metadata.name for s in slices(cluster)]
    assert len(set(before)) == 2
    cluster.apply(SERVICE, endpoints(two.replace("10.0.0.2", "10.0.0.3")))
    assert sorted(said(cluster)) == [
        ([("10.0.0.1", True)], [1]),
        ([("10.0.0.3", True)], [2]),
    ]
    assert [s.metadata.name for s in slices(cluster)] == before
    cluster.apply(SERVICE, endpoints(ONE))
    assert said(cluster) == [([("10.0.0.100", True)], [5432])]


def test_addresses_that_pods_cannot_reach_are_left_out(cluster: Cluster) -> None:
    cluster.apply(SERVICE, endpoints(ONE.replace("[{ip", "[{ip: 'fd00::1'}, {ip")))
    assert said(cluster) == [([("10.0.0.100", True)], [5432])]


def test_a_service_that_selects_its_pods_has_no_use_for_them(cluster: Cluster) -> None:
    cluster.apply(SELECTING, endpoints(ONE))
    assert [e for s in slices(cluster) for e in s.endpoints] == []
    cluster.apply(SERVICE, endpoints(ONE))
    assert said(cluster) == [([("10.0.0.100", True)], [5432])]


def test_without_service_or_by_their_own_word_they_are_not_mirrored(cluster: Cluster) -> None:
    cluster.apply(endpoints(ONE))
    assert slices(cluster) == []
    cluster.apply(SERVICE, endpoints(ONE, "{endpointslice.kubernetes.io/skip-mirror: 'true'}"))
    assert slices(cluster) == []


def test_the_slices_go_with_the_endpoints(cluster: Cluster) -> None:
    cluster.apply(SERVICE, endpoints(ONE))
    cluster.apply(SERVICE)
    assert slices(cluster) == []


def faults(subsets: str) -> list[str]:
    from lateen.api.decode import decode_documents
    from lateen.check import check_object

    (obj,) = decode_documents(endpoints(subsets), "f.yaml").objects
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


def test_what_kubernetes_refuses_is_refused_in_its_words() -> None:
    def address(ip: str) -> list[str]:
        return faults(f"[{{addresses: [{{ip: {ip!r}}}], ports: [{{port: 1}}]}}]")

    where = "subsets[0].addresses[0].ip: Invalid value: "
    assert address("10.0.0.1") == []
    assert address("127.0.0.1") == [
        f'{where}"127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'
    ]
    assert address("169.254.1.1")[0].startswith(f'{where}"169.254.1.1": may not be in the link-lo')
    assert address("db.example.com")[0].startswith(f'{where}"db.example.com": must be a valid IP')
    assert faults("[{ports: [{port: 1}]}]") == [
        "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"
    ]
    two: Any = faults("[{addresses: [{ip: 10.0.0.1}], ports: [{port: 1}, {name: a, port: 0}]}]")
    assert two == [
        "subsets[0].ports[0].name: Required value",
        "subsets[0].ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    ]
