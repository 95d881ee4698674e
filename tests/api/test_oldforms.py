"""What books still show: forms of old, parts of objects and other tools' files are told from typing errors."""

from __future__ import annotations

import pytest

from lateen.api.decode import decode_documents


def said(text: str) -> str:
    return "\n".join(str(problem) for problem in decode_documents(text, "f.yaml").problems)


def rule(policy: str) -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\n"
        f"spec: {{host: a, trafficPolicy: {policy}}}\n"
    )


def test_a_field_that_istio_took_away_names_the_one_that_took_its_place() -> None:
    text = said(rule("{outlierDetection: {consecutiveErrors: 5}}"))
    assert "error IST0106" in text
    assert (
        'unknown field "consecutiveErrors" (Istio took it away: write consecutive5xxErrors' in text
    )


@pytest.mark.parametrize("field", ["retry", "retries"])
def test_retries_in_a_destination_rule_are_sent_to_the_virtual_service(field: str) -> None:
    text = said(rule(f"{{{field}: {{attempts: 1}}}}"))
    assert "(retries stand in a VirtualService: spec.http[].retries" in text


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("config.istio.io/v1alpha2, kind: QuotaSpec", "Istio removed Mixer with 1.8 (limit rates"),
        ("config.istio.io/v1alpha2, kind: rule", "Istio removed Mixer with 1.8 (write an Auth"),
        ("authentication.istio.io/v1alpha1, kind: Policy", "write a PeerAuthentication"),
        ("rbac.istio.io/v1alpha1, kind: ServiceRole", "write an AuthorizationPolicy"),
        ("extensions/v1beta1, kind: Deployment", "1.16 (apiVersion: apps/v1)"),
        ("policy/v1beta1, kind: PodSecurityPolicy", "pod-security.kubernetes.io/enforce"),
    ],
)
def test_a_kind_that_was_removed_is_an_error_with_the_modern_form(head: str, words: str) -> None:
    text = said(f"{{apiVersion: {head}, metadata: {{name: a}}}}\n")
    assert "error LAT0001" in text
    assert words in text


@pytest.mark.parametrize(
    ("head", "whose"),
    [
        ("monitoring.coreos.com/v1, kind: ServiceMonitor", "the Prometheus operator"),
        ("argoproj.io/v1alpha1, kind: Rollout", "Argo"),
        ("cert-manager.io/v1, kind: Certificate", "cert-manager"),
        ("source.toolkit.fluxcd.io/v1, kind: GitRepository", "Flux"),
        ("install.istio.io/v1alpha1, kind: IstioOperator", "istioctl install"),
    ],
)
def test_an_object_of_another_tool_is_left_out_by_name(head: str, whose: str) -> None:
    text = said(f"{{apiVersion: {head}, metadata: {{name: a}}}}\n")
    assert "warning LAT0001" in text
    assert f"is for {whose}, not for lateen; left out" in text


def test_a_group_that_only_ends_like_another_tools_is_not_its() -> None:
    text = said("{apiVersion: myargoproj.io/v1, kind: Rollout, metadata: {name: a}}\n")
    assert "is not known to lateen; left out" in text


@pytest.mark.parametrize(
    ("text", "whose"),
    [
        ("scrape_configs: []\n", "Prometheus"),
        ("- {alert: Slow, expr: up == 0}\n", "Prometheus"),
        ("route: {receiver: a}\nreceivers: []\n", "Alertmanager"),
        ("plugins: [{name: jwt}]\n", "Kong"),
        ("apiVersion: 1\ndatasources: []\n", "Grafana"),
    ],
)
def test_a_file_of_another_tool_is_left_out_by_name(text: str, whose: str) -> None:
    words = said(text)
    assert "warning LAT0007: no Kubernetes object, but configuration of" in words
    assert whose in words


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("env: [{name: A, value: b}]\n", "spec.containers[]"),
        ("volumes: []\ncontainers: []\n", "in the spec of a Pod"),
        ("http: [{route: []}]\n", "in the spec of a VirtualService"),
        ("metadata: {annotations: {a: b}}\n", "in a workload's spec.template"),
        ("spec: {sessionAffinity: ClientIP}\n", "needs apiVersion, kind and metadata"),
    ],
)
def test_a_part_of_an_object_says_where_it_belongs(text: str, home: str) -> None:
    assert home in said(text)


def test_a_list_of_mixed_things_is_nobodys() -> None:
    assert "a document is a mapping" in said("- {alert: a}\n- {plugins: []}\n")


def test_a_part_run_into_the_object_below_it_says_where_it_belongs() -> None:
    text = said(
        "resources: {requests: {cpu: 200m}}\n"
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n"
        "spec: {minAvailable: 1, selector: {matchLabels: {app: a}}}\n"
    )
    assert 'unknown field "resources" (it stands in a container' in text
