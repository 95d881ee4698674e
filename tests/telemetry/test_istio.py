"""Istio's names, labels and edges, from what Envoy exposes."""

from __future__ import annotations

from collections.abc import Mapping

from lateen.telemetry.counters import count
from lateen.telemetry.federating import Platform, federated, up_family
from lateen.telemetry.istio import istio_families
from lateen.telemetry.promtext import Family, parse_families
from lateen.telemetry.traffic import edges

FRONT = "CN=front,OU=shop,O=cluster.local"
PAGE = """
# TYPE envoy_istio_requests_total counter
envoy_istio_requests_total{reporter="destination",source_subject="%s",source_principal="spiffe://a",\
tls_version="TLSv1.3",destination_workload="web",destination_workload_namespace="shop",\
destination_version="v1",response_code="200",request_protocol="HTTP/2",response_flags="-"} 8
envoy_istio_requests_total{reporter="destination",source_subject="-",source_principal="-",\
tls_version="-",destination_workload="web",destination_workload_namespace="shop",\
destination_version="v1",response_code="503",request_protocol="HTTP/1.1",response_flags="UF"} 2
# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq 1
""".replace("%s", FRONT)
SOURCE = """
# TYPE envoy_istio_requests_total counter
envoy_istio_requests_total{reporter="source",source_workload="front",source_workload_namespace="shop",\
destination_workload="web",destination_workload_namespace="shop",destination_version="v1",\
response_code="200",request_protocol="HTTP/1.1"} 8
envoy_istio_requests_total{reporter="source",source_workload="front",source_workload_namespace="shop",\
destination_workload="-",destination_workload_namespace="-",destination_service="slow.shop.svc",\
destination_version="-",response_code="503",request_protocol="HTTP/1.1"} 3
# TYPE envoy_istio_request_duration_milliseconds_exact counter
envoy_istio_request_duration_milliseconds_exact{reporter="source",source_workload="front",\
source_workload_namespace="shop",destination_workload="web",destination_workload_namespace="shop",\
destination_version="v1"} 40
# TYPE envoy_istio_request_duration_milliseconds histogram
envoy_istio_request_duration_milliseconds_sum{reporter="source",source_workload="front",\
source_workload_namespace="shop",destination_workload="web",destination_workload_namespace="shop",\
destination_version="v1"} 41.5
envoy_istio_request_duration_milliseconds_count{reporter="source",source_workload="front",\
source_workload_namespace="shop",destination_workload="web",destination_workload_namespace="shop",\
destination_version="v1"} 8
"""


def peer_of(subject: str) -> Mapping[str, str]:
    return {"workload": "front", "namespace": "shop", "app": "front"} if subject == FRONT else {}


def read(page: str, pod: str) -> tuple[Family, ...]:
    return istio_families(parse_families(page), peer_of, {"namespace": "shop", "pod": pod})


def test_only_istios_metrics_are_taken_with_its_names() -> None:
    (family,) = read(PAGE, "web-1")
    assert (family.name, family.type) == ("istio_requests_total", "counter")
    assert {s.name for s in family.samples} == {"istio_requests_total"}


def test_the_peer_comes_from_its_certificate_and_only_from_there() -> None:
    mutual, plain = (dict(s.labels) for s in read(PAGE, "web-1")[0].samples)
    assert mutual["source_workload"] == "front"
    assert mutual["source_version"] == "unknown"
    assert mutual["connection_security_policy"] == "mutual_tls"
    assert mutual["request_protocol"] == "http"
    assert "source_subject" not in mutual
    assert "tls_version" not in mutual
    assert plain["source_workload"] == "unknown"
    assert plain["source_principal"] == "unknown"
    assert plain["connection_security_policy"] == "none"


def test_edges_count_requests_errors_and_mtls() -> None:
    found = edges((*read(PAGE, "web-1"), *read(SOURCE, "front-1")))
    front, slow, nobody = found
    assert (front.source, front.destination, front.version) == ("front", "slow.shop.svc", "unknown")
    assert (front.requests, front.errors) == (3, 3)
    assert (slow.source, slow.destination, slow.requests, slow.mutual) == ("front", "web", 8, 8)
    assert slow.milliseconds == 5.0
    assert (nobody.source, nobody.requests, nobody.errors, nobody.mutual) == ("unknown", 2, 2, 0)
    assert (slow.plain, nobody.plain, front.plain) == (0, 2, 0)
    assert (nobody.tries, nobody.tries_failed) == (2, 2)
    assert (front.tries, front.tries_failed) == (0, 0), "it never arrived"


def test_the_federated_page_holds_proxies_and_platform() -> None:
    platform = Platform(
        objects={"Pod": 3}, nacks={"CDS": 1}, certificates={("proxy", "shop", "web-1"): 60.0}
    )
    families = (*read(PAGE, "web-1"), up_family({("shop", "web-1"): True, ("shop", "x"): False}))
    page = federated(families, platform)
    assert 'lateen_objects{kind="Pod"} 3' in page
    assert 'lateen_xds_nacks_total{type="CDS"} 1' in page
    assert 'lateen_certificate_seconds{kind="proxy",name="web-1",namespace="shop"} 60' in page
    assert 'lateen_proxy_up{namespace="shop",pod="x"} 0' in page
    names = [family.name for family in parse_families(page)]
    assert len(names) == len(set(names))
    assert "istio_requests_total" in names


def test_a_proxys_counters_are_summed() -> None:
    counters = count(
        """http.inbound_0.0.0.0_8080.downstream_rq_total: 10
http.inbound_0.0.0.0_8080.downstream_rq_5xx: 2
http.outbound_0.0.0.0_80.downstream_rq_total: 4
http.admin.downstream_rq_total: 99
cluster.outbound|80||web.shop.svc.cluster.local.upstream_rq_pending_overflow: 1
cluster.outbound|80||web.shop.svc.cluster.local.upstream_cx_overflow: 2
cluster.outbound|80||web.shop.svc.cluster.local.outlier_detection.ejections_enforced_total: 3
cluster.outbound|80||web.shop.svc.cluster.local.outlier_detection.ejections_active: 1
listener.0.0.0.0_15006.ssl.handshake: 5
cluster.outbound|80||web.shop.svc.cluster.local.ssl.handshake: 6
cluster.x.upstream_rq_time: P0(1,1) P100(2,2)
"""
    )
    assert (counters.inbound_requests, counters.inbound_errors) == (10, 2)
    assert (counters.outbound_requests, counters.outbound_errors) == (4, 0)
    assert (counters.overflows, counters.ejections, counters.ejected) == (3, 3, 1)
    assert (counters.mtls_in, counters.mtls_out) == (5, 6)


def test_decisions_of_policies_keep_their_rule_and_none_is_none() -> None:
    page = """
# TYPE envoy_lateen_policy_decisions_total counter
envoy_lateen_policy_decisions_total{reporter="source",policy="-",result="denied"} 2
envoy_lateen_policy_decisions_total{reporter="source",policy="ns[a]-policy[b]-rule[0]",result="asked"} 1
envoy_lateen_policy_decisions_total{reporter="source",policy="-"} 1
envoy_lateen_policy_decisions_total{reporter="source",policy="rbac_access_denied_matched_policy[none]"} 1
"""
    (family,) = istio_families(parse_families(page), lambda _: {}, {})
    assert family.name == "lateen_policy_decisions_total"
    told = [dict(sample.labels) for sample in family.samples]
    assert sorted((labels["policy"], labels["result"]) for labels in told) == [
        ("none", "allowed"),
        ("none", "denied"),
        ("ns[a]-policy[b]-rule[0]", "asked"),
    ]
    assert [s.value for s in family.samples if dict(s.labels)["result"] == "denied"] == [3]  # 2 + 1


def standard(page: str) -> dict[str, str]:
    """The labels of a page's only sample."""
    (family,) = istio_families(parse_families(page), lambda _: {}, {})
    (sample,) = family.samples
    return dict(sample.labels)


def test_the_sum_of_a_histogram_is_the_one_that_was_counted() -> None:
    (_, duration) = read(SOURCE, "front-1")
    assert (duration.name, duration.type) == ("istio_request_duration_milliseconds", "histogram")
    told = {sample.name.rpartition("_")[2]: sample.value for sample in duration.samples}
    assert told == {"sum": 40, "count": 8}


def test_bytes_of_open_connections_are_added_to_those_of_the_ended() -> None:
    page = """
# TYPE envoy_istio_tcp_sent_bytes_total counter
envoy_istio_tcp_sent_bytes_total{reporter="source",source_workload="web"} 100
# TYPE envoy_istio_tcp_sent_bytes_live gauge
envoy_istio_tcp_sent_bytes_live{reporter="source",source_workload="web",lateen_connection="7"} 20
envoy_istio_tcp_sent_bytes_live{reporter="source",source_workload="web",lateen_connection="9"} 3
"""
    (family,) = istio_families(parse_families(page), lambda _: {}, {})
    (sample,) = family.samples
    assert (family.name, family.type) == ("istio_tcp_sent_bytes_total", "counter")
    assert (sample.name, sample.value) == ("istio_tcp_sent_bytes_total", 123)
    assert "lateen_connection" not in dict(sample.labels)


def test_labels_that_follow_from_others_are_added() -> None:
    labels = standard(
        'envoy_istio_requests_total{reporter="source",source_workload="web",source_app="-",'
        'destination_workload="api-v2",destination_app="api",destination_version="v2",'
        'destination_service="api.shop.svc.cluster.local"} 1'
    )
    assert (labels["source_canonical_service"], labels["source_canonical_revision"]) == (
        "web",
        "latest",
    )
    assert (labels["destination_canonical_service"], labels["destination_canonical_revision"]) == (
        "api",
        "v2",
    )
    assert labels["destination_service_name"] == "api"
    assert labels["destination_service_namespace"] == "shop"
    assert (labels["source_cluster"], labels["destination_cluster"]) == ("Kubernetes", "Kubernetes")


def test_a_host_outside_is_its_own_name_and_of_no_cluster() -> None:
    labels = standard(
        'envoy_istio_requests_total{reporter="source",source_workload="web",'
        'destination_workload="-",destination_service="api.example.com"} 1'
    )
    assert labels["destination_service_name"] == "api.example.com"
    assert labels["destination_cluster"] == "unknown"


def test_labels_that_a_telemetry_removes_are_left_out_and_the_rest_added_up() -> None:
    page = "".join(
        f'envoy_istio_requests_total{{reporter="source",source_app="{app}",lateen_removed="source_app,'
        f'source_canonical_service"}} 2\n'
        for app in ("a", "b")
    )
    (family,) = istio_families(parse_families(page), lambda _: {}, {})
    (sample,) = family.samples
    assert sample.value == 4
    assert (
        not {"source_app", "source_canonical_service", "lateen_removed"}
        & dict(sample.labels).keys()
    )
