"""Advise on what is about to go, or has gone: deprecated fields, commands of old.

In: Survey.                                            Out: problems IST0002, LAT0501.
Before: check/advice/survey.py, api/oldforms.py        After: check/advice/__init__.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from lateen.api.codes import DEPRECATED, REMOVED_COMMAND
from lateen.api.config import ConfigMap
from lateen.api.definition import CustomResourceDefinition
from lateen.api.destinationrule import DestinationRule, LoadBalancerSettings, TrafficPolicy
from lateen.api.oldforms import removed_command, removed_kind
from lateen.api.sidecar import Sidecar
from lateen.api.virtualservice import HTTPRoute, VirtualService
from lateen.base.edit import Wrap
from lateen.base.problem import Problem
from lateen.check.advice.survey import Survey
from lateen.check.at import At

_COMMAND = re.compile(r"istioctl(?:\s+[a-z][a-z0-9-]*)+")


def advise_on_deprecated_fields(survey: Survey) -> Iterator[Problem]:
    """Fields that Istio still takes, and has a better one for."""
    for obj, service in survey.of(VirtualService):
        for index, route in enumerate(service.spec.http):
            yield from _route(route, At(obj).key("spec", "http").item(index))
    for obj, rule in survey.of(DestinationRule):
        at = At(obj).key("spec")
        yield from _policy(rule.spec.traffic_policy, at.key("trafficPolicy"))
        for index, subset in enumerate(rule.spec.subsets):
            here = at.key("subsets").item(index).key("trafficPolicy")
            yield from _policy(subset.traffic_policy, here)
    for obj, sidecar in survey.of(Sidecar):
        outbound = sidecar.spec.outbound_traffic_policy
        if outbound and outbound.egress_proxy:
            words = "outboundTrafficPolicy.egressProxy is deprecated: Istio does not look at it"
            here = At(obj).key("spec", "outboundTrafficPolicy", "egressProxy")
            yield here.warning(words, code=DEPRECATED)
    for obj, definition in survey.of(CustomResourceDefinition):
        group, kind = definition.spec.group, definition.spec.names.kind
        if group.endswith("istio.io") and (removed := removed_kind(group, kind)):
            words = f"{kind} of {group} is no longer there: {removed[0]}"
            yield At(obj).key("spec", "names", "kind").warning(words, removed[1], DEPRECATED)


def _route(route: HTTPRoute, at: At) -> Iterator[Problem]:
    if route.fault and route.fault.delay and route.fault.delay.percent is not None:
        here = at.key("fault", "delay", "percent")
        words = "fault.delay.percent is deprecated; use percentage"
        yield _wrapped(here, words, "percentage", route.fault.delay.percent)
    if route.mirror_percent is not None:
        words = "mirrorPercent is deprecated; use mirrorPercentage"
        yield _wrapped(at.key("mirrorPercent"), words, "mirrorPercentage", route.mirror_percent)
    if route.cors_policy and route.cors_policy.allow_origin:
        shown = ", ".join(f'{{exact: "{origin}"}}' for origin in route.cors_policy.allow_origin)
        words = "corsPolicy.allowOrigin is deprecated; use allowOrigins"
        here = at.key("corsPolicy", "allowOrigin")
        yield here.warning(words, f"allowOrigins: [{shown}]", DEPRECATED)


def _wrapped(at: At, words: str, key: str, value: int) -> Problem:
    problem = at.warning(words, f"{key}: {{value: {value}}}", DEPRECATED)
    return replace(problem, edits=(Wrap(path=at.path, key=key, inner="value"),))


def _policy(policy: TrafficPolicy | None, at: At) -> Iterator[Problem]:
    if policy is None:
        return
    yield from _balancer(policy.load_balancer, at.key("loadBalancer"))
    for index, settings in enumerate(policy.port_level_settings):
        here = at.key("portLevelSettings").item(index)
        yield from _balancer(settings.load_balancer, here.key("loadBalancer"))


def _balancer(balancer: LoadBalancerSettings | None, at: At) -> Iterator[Problem]:
    if balancer is None:
        return
    if balancer.warmup_duration_secs is not None:
        here = at.key("warmupDurationSecs")
        words = "warmupDurationSecs is deprecated; use warmup"
        fix = "warmup: {duration: …}"
        problem = here.warning(words, fix, DEPRECATED)
        if balancer.warmup is None:
            edit = Wrap(path=here.path, key="warmup", inner="duration")
            problem = replace(problem, edits=(edit,))
        yield problem
    hashing = balancer.consistent_hash
    if hashing and hashing.minimum_ring_size is not None:
        here = at.key("consistentHash", "minimumRingSize")
        words = "consistentHash.minimumRingSize is deprecated; use ringHash.minimumRingSize"
        problem = here.warning(words, "ringHash: {minimumRingSize: …}", DEPRECATED)
        if hashing.ring_hash is None and hashing.maglev is None:
            edit = Wrap(path=here.path, key="ringHash", inner="minimumRingSize")
            problem = replace(problem, edits=(edit,))
        yield problem


def advise_on_commands(survey: Survey) -> Iterator[Problem]:
    """Commands in containers and scripts that istioctl no longer has."""
    for pods in survey.pods:
        for index, container in enumerate(pods.spec.containers):
            here = pods.at.key("containers").item(index)
            words = " ".join((*container.command, *container.args))
            field = "command" if container.command else "args"
            yield from _commands(words, here.key(field))
    for obj, config in survey.of(ConfigMap):
        for key, text in config.data.items():
            if "istioctl" in text:
                yield from _commands(text, At(obj).key("data", key))


def _commands(text: str, at: At) -> Iterator[Problem]:
    for command in dict.fromkeys(_COMMAND.findall(text)):
        words = " ".join(command.split())
        if removed := removed_command(words):
            gone, modern = removed
            yield at.warning(
                f"`{gone}` is no longer a command of istioctl", modern, REMOVED_COMMAND
            )
