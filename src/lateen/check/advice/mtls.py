"""Advise on mTLS: who insists on it, who turns it off, and who cannot speak it.

In: Survey.                                                 Out: problems IST0113, LAT0306 to LAT0309, LAT0311.
Before: check/advice/survey.py, check/advice/calls.py       After: check/advice/__init__.py, check/advice/policies.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lateen.api.codes import (
    CLIENT_WITHOUT_PROXY,
    MTLS_CONFLICT,
    MTLS_OFF,
    MTLS_TURNED_OFF,
    PEER_PORT,
)
from lateen.api.destinationrule import ClientTLSSettings, DestinationRule
from lateen.api.objects import Obj
from lateen.api.security import PeerAuthentication
from lateen.base.problem import Problem
from lateen.check.advice.calls import calls_of
from lateen.check.advice.survey import Pods, Survey
from lateen.check.at import At
from lateen.check.inventory import ROOT_NAMESPACE, Provided

_OPEN = ("PERMISSIVE", "DISABLE")
PLAIN = ("DISABLE", "SIMPLE", "MUTUAL")  # TLS settings of a client that are not the mesh's own


class Said(Struct, frozen=True, kw_only=True):
    """A mode that a PeerAuthentication declares, and which; and whether some port is an exception."""

    mode: str
    policy: Obj
    ports_differ: bool = False

    @property
    def strict(self) -> bool:
        """Whether every port insists on mTLS."""
        return self.mode == "STRICT" and not self.ports_differ


def mode_of(pods: Pods, survey: Survey) -> Said | None:
    """What is declared for the pods: by their labels, by their namespace, or for the mesh; None for nothing."""
    found: list[tuple[int, Said]] = []
    ports_differ = False
    for obj, policy in survey.of(PeerAuthentication):
        mode = policy.spec.mtls.mode if policy.spec.mtls else "UNSET"
        labels = policy.spec.selector.match_labels if policy.spec.selector else {}
        home = obj.key.namespace
        if home not in (pods.namespace, ROOT_NAMESPACE):
            continue
        if labels and (home != pods.namespace or not labels.items() <= pods.labels.items()):
            continue
        ports_differ |= any(m.mode in _OPEN for m in policy.spec.port_level_mtls.values())
        rank = 0 if labels else 1 if home == pods.namespace else 2
        if mode != "UNSET":
            found.append((rank, Said(mode=mode, policy=obj)))
    if not found:
        return None
    return replace(min(found, key=lambda each: each[0])[1], ports_differ=ports_differ)


def advise_on_mtls_of_clients(survey: Survey) -> Iterator[Problem]:
    """DestinationRules that take the mesh's own mTLS away from a host of the mesh."""
    for obj, rule in survey.of(DestinationRule):
        found = survey.inventory.host(rule.spec.host, obj.key.namespace)
        if found is None or found.service is None:
            continue
        pods = [p for p in survey.behind(found.service, found.namespace) if p.injected]
        for tls, at in _settings(rule, At(obj).key("spec")):
            if tls.mode not in PLAIN:
                continue
            strict = next((s for p in pods if (s := mode_of(p, survey)) and s.strict), None)
            here = at.key("tls", "mode")
            if strict:
                words = (
                    f"tells clients of {rule.spec.host} to speak {_spoken(tls)}, but"
                    f" {strict.policy.key} has its pods insist on mTLS: every request is refused"
                )
                yield here.error(words, "mode: ISTIO_MUTUAL, or leave tls out", MTLS_CONFLICT)
            elif pods and tls.mode == "DISABLE" and not _takes_plaintext(pods, survey):
                words = (
                    f"turns mTLS off towards {rule.spec.host}: nothing is encrypted, callers have no identity,"
                    " and pods that insist on mTLS (lateen's default) refuse"
                )
                yield here.warning(words, "mode: ISTIO_MUTUAL, or leave tls out", MTLS_TURNED_OFF)


def _takes_plaintext(pods: Sequence[Pods], survey: Survey) -> bool:
    """Whether somebody wrote down that these pods, or some port of theirs, take it: then it is meant."""
    said = [mode_of(each, survey) for each in pods]
    return any(s is not None and (s.mode == "DISABLE" or s.ports_differ) for s in said)


def _spoken(tls: ClientTLSSettings) -> str:
    return "plaintext" if tls.mode == "DISABLE" else f"TLS of their own ({tls.mode})"


def _settings(rule: DestinationRule, at: At) -> Iterator[tuple[ClientTLSSettings, At]]:
    policies = [(rule.spec.traffic_policy, at.key("trafficPolicy"))]
    for index, subset in enumerate(rule.spec.subsets):
        here = at.key("subsets").item(index).key("trafficPolicy")
        policies.append((subset.traffic_policy, here))
    for policy, here in policies:
        if policy is None:
            continue
        if policy.tls:
            yield policy.tls, here
        for number, port in enumerate(policy.port_level_settings):
            if port.tls:
                yield port.tls, here.key("portLevelSettings").item(number)


def advise_on_mtls_of_servers(survey: Survey) -> Iterator[Problem]:
    """PeerAuthentications that open pods to everybody, or speak of ports that are not there."""
    for obj, policy in survey.of(PeerAuthentication):
        at = At(obj).key("spec")
        if policy.spec.mtls and policy.spec.mtls.mode == "DISABLE":
            yield _off(at.key("mtls", "mode"), "these pods take plaintext alone")
        pods: Sequence[Pods] = ()
        if policy.spec.selector and policy.spec.selector.match_labels:
            pods = survey.selected(policy.spec.selector.match_labels, obj.key.namespace)
        ports = {p.container_port for each in pods for c in each.spec.containers for p in c.ports}
        silent = any(not c.ports for each in pods for c in each.spec.containers)
        for port, mtls in policy.spec.port_level_mtls.items():
            here = at.key("portLevelMtls", port)
            if mtls.mode == "DISABLE":
                yield _off(here.key("mode"), f"port {port} of these pods takes plaintext alone")
            if ports and not silent and port.isdigit() and int(port) not in ports:
                shown = ", ".join(map(str, sorted(ports)))
                words = f"none of its pods listens on port {port}; they declare {shown} (the pod's port is meant, not the Service's)"
                yield here.warning(words, code=PEER_PORT)


def _off(at: At, what: str) -> Problem:
    words = f"{what}: nothing is encrypted, and no policy knows who calls"
    return at.warning(words, "mode: PERMISSIVE while clients move over, then STRICT", MTLS_OFF)


def advise_on_clients_without_proxy(survey: Survey) -> Iterator[Problem]:
    """Pods without a proxy that call pods which insist on mTLS."""
    for pods in survey.pods:
        if pods.injected:
            continue
        for host in sorted(calls_of(pods, survey)):
            strict = _strict(survey.inventory.hosts[host], survey)
            if strict:
                words = f"it has no proxy, and calls {host.partition('.svc.')[0]}, where {strict.policy.key} insists on mTLS: it is refused"
                fix = "give it a proxy, or a PeerAuthentication with PERMISSIVE for what it calls"
                yield pods.at.warning(words, fix, CLIENT_WITHOUT_PROXY)


def _strict(found: Provided, survey: Survey) -> Said | None:
    if found.service is None:
        return None
    modes = (
        mode_of(p, survey) for p in survey.behind(found.service, found.namespace) if p.injected
    )
    return next((said for said in modes if said and said.strict), None)
