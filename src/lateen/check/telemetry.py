"""Check one Telemetry as Istio does before it takes one.

In: the object.        Out: problems.    Source: Istio ValidateTelemetry.
Before: check/at.py    After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lateen.api.cel import BadRule, rule_of
from lateen.api.telemetry import (
    ALL_METRICS,
    METRICS,
    MODES,
    REMOVE,
    UPSERT,
    AccessLogging,
    CustomTag,
    MetricsOverride,
    ModeMatch,
    ProviderRef,
    Telemetry,
    TelemetryTracing,
)
from lateen.base.problem import Problem
from lateen.check.at import At, one_of
from lateen.check.security import check_policy_target

# What an expression may speak of: Envoy's attributes.
ATTRIBUTES = (
    *("request", "response", "connection", "source", "destination", "upstream"),
    *("metadata", "filter_state", "upstream_filter_state", "xds"),
)


def check_telemetry(telemetry: Telemetry, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = telemetry.spec, at.key("spec")
    yield from check_policy_target(spec.selector, spec.target_ref, spec.target_refs, at)
    for index, tracing in enumerate(spec.tracing):
        yield from _tracing(tracing, at.key("tracing").item(index))
    if len(spec.tracing) > 1:
        yield at.key("tracing").warning("multiple tracing is not currently supported")
    for index, metrics in enumerate(spec.metrics):
        here = at.key("metrics").item(index)
        yield from _providers(metrics.providers, here)
        for number, override in enumerate(metrics.overrides):
            yield from _override(override, here.key("overrides").item(number))
    for index, logging in enumerate(spec.access_logging):
        yield from _logging(logging, at.key("accessLogging").item(index))


def _providers(providers: Iterable[ProviderRef], at: At) -> Iterator[Problem]:
    for index, provider in enumerate(providers):
        if not provider.name:
            yield (
                at.key("providers").item(index).key("name").error("providers name cannot be empty")
            )


def _mode(match: ModeMatch | None, at: At) -> Iterator[Problem]:
    if match:
        yield from one_of(at.key("match", "mode"), match.mode, ("", *MODES))


def _tracing(tracing: TelemetryTracing, at: At) -> Iterator[Problem]:
    yield from _mode(tracing.match, at)
    yield from _providers(tracing.providers, at)
    if len(tracing.providers) > 1:
        yield at.key("providers").warning("multiple providers is not currently supported")
    percent = tracing.random_sampling_percentage
    if percent is not None and not 0 <= percent <= 100:
        here = at.key("randomSamplingPercentage")
        yield here.error(f"randomSamplingPercentage must be in range [0.0, 100.0], got {percent:g}")
    for name, tag in tracing.custom_tags.items():
        here = at.key("customTags", name)
        if not name:
            yield here.error("tag name cannot be empty")
        yield from _tag(tag, here)


def _tag(tag: CustomTag, at: At) -> Iterator[Problem]:
    said = [each for each in (tag.literal, tag.environment, tag.header, tag.formatter) if each]
    if len(said) != 1:
        yield at.error("wanted one of literal, environment, header and formatter")
    if tag.literal and not tag.literal.value:
        yield at.key("literal", "value").error("literal tag value cannot be empty")
    if tag.environment and not tag.environment.name:
        yield at.key("environment", "name").error("environment tag name cannot be empty")
    if tag.header and not tag.header.name:
        yield at.key("header", "name").error("header tag name cannot be empty")


def _override(override: MetricsOverride, at: At) -> Iterator[Problem]:
    if match := override.match:
        yield from one_of(at.key("match", "metric"), match.metric, ("", ALL_METRICS, *METRICS))
        yield from one_of(at.key("match", "mode"), match.mode, ("", *MODES))
        if match.metric and match.custom_metric:
            yield at.key("match").error("wanted only one of metric and customMetric")
    for name, tag in override.tag_overrides.items():
        here = at.key("tagOverrides", name)
        if not name:
            yield here.error("tag name cannot be empty")
        yield from one_of(here.key("operation"), tag.operation, (UPSERT, REMOVE))
        if tag.operation == UPSERT and not tag.value:
            yield here.key("value").error("tagOverrides.value must be set when operation is UPSERT")
        if tag.operation == REMOVE and tag.value:
            yield here.key("value").error(
                "tagOverrides.value must not be set when operation is REMOVE"
            )


def _logging(logging: AccessLogging, at: At) -> Iterator[Problem]:
    yield from _mode(logging.match, at)
    yield from _providers(logging.providers, at)
    if logging.filter is None:
        return
    here = at.key("filter", "expression")
    if not logging.filter.expression:
        yield here.error("wanted an expression in CEL, such as: response.code >= 400")
        return
    try:
        kind = rule_of(logging.filter.expression, ATTRIBUTES).kind
    except BadRule as fault:
        yield here.error(f"invalid filter expression: {fault}")
        return
    if kind not in ("BOOL", "DYN"):
        yield here.error(f"an expression that is true or false is wanted, not one of type {kind}")
