"""Telemetry that Istio would not take is refused with the place and the reason."""

from __future__ import annotations

import pytest

from tests.check.test_objects import found

KIND = "Telemetry"


def test_a_sound_one_passes() -> None:
    spec = """{selector: {matchLabels: {app: a}}, tracing: [{providers: [{name: zipkin}],
      randomSamplingPercentage: 10.5, customTags: {a: {literal: {value: x}}, b: {header: {name: h}}}}],
      accessLogging: [{filter: {expression: "response.code >= 400 || 'x-debug' in request.headers"}}],
      metrics: [{overrides: [{match: {metric: ALL_METRICS, mode: CLIENT},
      tagOverrides: {a: {operation: UPSERT, value: request.host}, b: {operation: REMOVE}}}]}]}"""
    assert found(KIND, spec) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            "{tracing: [{randomSamplingPercentage: 100.1}]}",
            "spec.tracing[0].randomSamplingPercentage: randomSamplingPercentage must be in range"
            " [0.0, 100.0], got 100.1",
        ),
        (
            "{tracing: [{customTags: {a: {}}}]}",
            "spec.tracing[0].customTags.a: wanted one of literal, environment, header and formatter",
        ),
        (
            "{tracing: [{customTags: {a: {header: {defaultValue: x}}}}]}",
            "spec.tracing[0].customTags.a.header.name: header tag name cannot be empty",
        ),
        (
            "{accessLogging: [{filter: {expression: 'response.code +'}}]}",
            "spec.accessLogging[0].filter.expression: invalid filter expression: ",
        ),
        (
            "{accessLogging: [{filter: {expression: '1 + 1'}}]}",
            "spec.accessLogging[0].filter.expression: an expression that is true or false is wanted,"
            " not one of type INT",
        ),
        (
            "{accessLogging: [{match: {mode: BOTH}}]}",
            'spec.accessLogging[0].match.mode: Unsupported value: "BOTH": supported values:'
            ' "CLIENT_AND_SERVER", "CLIENT", "SERVER"',
        ),
        (
            "{metrics: [{overrides: [{tagOverrides: {a: {operation: UPSERT}}}]}]}",
            "spec.metrics[0].overrides[0].tagOverrides.a.value: tagOverrides.value must be set when"
            " operation is UPSERT",
        ),
        (
            "{metrics: [{overrides: [{match: {metric: REQUESTS}}]}]}",
            'spec.metrics[0].overrides[0].match.metric: Unsupported value: "REQUESTS"',
        ),
    ],
)
def test_a_fault_is_named(spec: str, words: str) -> None:
    assert [each for each in found(KIND, spec) if each.startswith(words)]
