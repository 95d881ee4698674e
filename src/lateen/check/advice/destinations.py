"""Advise on DestinationRules: certificates nobody checks, two for one host.

In: Survey.                       Out: problems IST0128, IST0129, LAT0210.
Before: check/advice/survey.py    After: check/advice/__init__.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lateen.api.codes import RULE_TWICE, UNCHECKED_CERTIFICATE, UNCHECKED_PORT
from lateen.api.destinationrule import ClientTLSSettings, DestinationRule
from lateen.api.objects import Obj
from lateen.base.problem import Problem
from lateen.check.advice.survey import Survey
from lateen.check.at import At
from lateen.check.inventory import full_host

_VERIFYING = ("SIMPLE", "MUTUAL")


def advise_on_destination_rules(survey: Survey) -> Iterator[Problem]:
    """Each DestinationRule, and those for the same host together."""
    by_host: dict[tuple[str, str], list[tuple[Obj, DestinationRule]]] = defaultdict(list)
    for obj, rule in survey.of(DestinationRule):
        full = full_host(rule.spec.host, obj.key.namespace)
        if rule.spec.workload_selector is None:
            by_host[obj.key.namespace, full].append((obj, rule))
        yield from _certificates(obj, rule)
    for (_, host), rules in by_host.items():
        yield from _together(host, rules)


def _together(host: str, rules: Sequence[tuple[Obj, DestinationRule]]) -> Iterator[Problem]:
    """Istio puts rules for one host together, as far as they say different things."""
    governing = [obj for obj, rule in rules if rule.spec.traffic_policy is not None]
    if len(governing) > 1:
        names = ", ".join(obj.key.name for obj in governing)
        words = f"DestinationRules {names} both have a trafficPolicy for {host}: only the oldest one's holds"
        for obj in governing:
            here = At(obj).key("spec", "trafficPolicy")
            yield here.warning(words, "one DestinationRule for a host", RULE_TWICE)
    seen: dict[str, Obj] = {}
    for obj, rule in rules:
        for index, subset in enumerate(rule.spec.subsets):
            first = seen.setdefault(subset.name, obj)
            if first is not obj:
                words = f"subset {subset.name} of {host} is in DestinationRule {first.key.name}, too: only the oldest one's holds"
                here = At(obj).key("spec", "subsets").item(index).key("name")
                yield here.warning(words, "one DestinationRule for a host", RULE_TWICE)


def _certificates(obj: Obj, rule: DestinationRule) -> Iterator[Problem]:
    policy, at = rule.spec.traffic_policy, At(obj).key("spec", "trafficPolicy")
    if policy is None:
        return
    name, host = f"{obj.key.namespace}/{obj.key.name}", rule.spec.host
    fix = "caCertificates: FILE, or credentialName: SECRET beside a workloadSelector"
    chosen = rule.spec.workload_selector is not None
    if policy.tls and _unchecked(policy.tls, chosen=chosen):
        words = f"DestinationRule {name} speaks {policy.tls.mode} TLS to {host}, and nothing says by which CA its certificate must be"
        yield at.key("tls").warning(words, fix, UNCHECKED_CERTIFICATE)
    for index, settings in enumerate(policy.port_level_settings):
        if settings.tls and _unchecked(settings.tls, chosen=chosen):
            port = settings.port.number if settings.port else "?"
            words = f"DestinationRule {name} speaks {settings.tls.mode} TLS to port {port} of {host}, and nothing says by which CA its certificate must be"
            here = at.key("portLevelSettings").item(index).key("tls")
            yield here.warning(words, fix, UNCHECKED_PORT)


def _unchecked(tls: ClientTLSSettings, *, chosen: bool) -> bool:
    """Sidecars have the Secret of `credentialName` only where the rule chooses its pods."""
    named = tls.credential_name and chosen
    return tls.mode in _VERIFYING and not (tls.ca_certificates or named)
