"""What Telemetry changes of metrics: which are off, which labels they have, on which side."""

from __future__ import annotations

import pytest

from lateen.ir.telemetry import Metrics
from lateen.translate.metrics import format_of
from tests.translate.test_reporting import telemetry, told

REQUESTS, DURATION = "istio_requests_total", "istio_request_duration_milliseconds"


@pytest.mark.parametrize(
    ("expression", "format"),
    [
        ("request.host", "%REQ(:AUTHORITY)%"),
        ("request.headers['x-tenant']", "%REQ(X-TENANT)%"),
        ('response.headers["x-kind"]', "%RESP(X-KIND)%"),
        ("string(destination.port)", "%DOWNSTREAM_LOCAL_PORT%"),
        ("'shop'", "shop"),
        ('"a b"', "a b"),
        ("'100%'", ""),
        ("node.metadata['ZONE']", ""),
        ("request.host + 'x'", ""),
    ],
)
def test_expressions_that_are_a_format_of_envoys(expression: str, format: str) -> None:
    assert format_of(expression) == format


def test_a_metric_is_off_on_the_side_that_is_meant() -> None:
    made, problems = told(
        telemetry(
            "{metrics: [{overrides: [{match: {metric: REQUEST_COUNT, mode: CLIENT}, disabled: true}]}]}"
        )
    )
    assert made.client.metrics == Metrics(off=frozenset({REQUESTS}))
    assert made.server.metrics == Metrics()
    assert problems == ()


def test_labels_are_added_and_removed() -> None:
    spec = (
        "{metrics: [{overrides: [{match: {metric: REQUEST_COUNT}, tagOverrides: "
        "{host: {value: request.host}, response_flags: {operation: REMOVE}}}]}]}"
    )
    made, _ = told(telemetry(spec))
    assert made.server.metrics.labels == (
        (REQUESTS, "host", "%REQ(:AUTHORITY)%"),
        (REQUESTS, "response_flags", None),
    )


def test_a_closer_word_takes_the_place_of_one_further_away() -> None:
    everywhere = telemetry("{metrics: [{overrides: [{disabled: true}]}]}", namespace="istio-system")
    here = telemetry(
        "{metrics: [{overrides: [{match: {metric: REQUEST_DURATION}, disabled: false}]}]}"
    )
    made, _ = told(everywhere, here)
    assert REQUESTS in made.client.metrics.off
    assert DURATION not in made.client.metrics.off


def test_what_cannot_be_made_is_named_at_its_place() -> None:
    spec = (
        "{metrics: [{overrides: [{match: {metric: REQUEST_COUNT}, tagOverrides: "
        '{zone: {value: "node.metadata[0]"}}}, {match: {customMetric: mine}, disabled: true}]}]}'
    )
    made, problems = told(telemetry(spec))
    assert made.client.metrics == Metrics()
    assert [(p.code, p.origin.field) for p in problems] == [
        ("LAT0112", "spec.metrics[0].overrides[0].tagOverrides.zone.value"),
        ("LAT0112", "spec.metrics[0].overrides[1].match.customMetric"),
    ]
