"""Istio PeerAuthentication and AuthorizationPolicy: who must prove what, and who may do what.

In: -    Out: PeerAuthentication, AuthorizationPolicy.    Source: security.istio.io.
Before: api/meta.py       After: check/, translate/
"""

from __future__ import annotations

import msgspec

from lateen.api.fields import Api, Informative, Labels
from lateen.api.meta import ObjectMeta


class WorkloadSelector(Api, frozen=True, kw_only=True):
    """The pods a policy is for; without one, all of its namespace."""

    match_labels: Labels = {}


class MutualTLS(Api, frozen=True, kw_only=True):
    """UNSET, DISABLE, PERMISSIVE or STRICT."""

    mode: str = "UNSET"


class PeerAuthenticationSpec(Api, frozen=True, kw_only=True):
    """mTLS for the selected pods; `port_level_mtls` by the pods' own port, selector required."""

    selector: WorkloadSelector | None = None
    mtls: MutualTLS | None = None
    port_level_mtls: dict[str, MutualTLS] = {}


class PeerAuthentication(Api, frozen=True, kw_only=True):
    """security.istio.io PeerAuthentication."""

    api_version: str = "security.istio.io/v1"
    kind: str = "PeerAuthentication"
    metadata: ObjectMeta
    spec: PeerAuthenticationSpec = PeerAuthenticationSpec()
    status: Informative = None


class Source(Api, frozen=True, kw_only=True):
    """Who a request comes from; lists are alternatives, fields must all hold."""

    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    not_service_accounts: tuple[str, ...] = ()
    trust_domains: tuple[str, ...] = ()
    not_trust_domains: tuple[str, ...] = ()
    ip_blocks: tuple[str, ...] = ()
    not_ip_blocks: tuple[str, ...] = ()
    remote_ip_blocks: tuple[str, ...] = ()
    not_remote_ip_blocks: tuple[str, ...] = ()
    request_principals: tuple[str, ...] = ()
    not_request_principals: tuple[str, ...] = ()


class From(Api, frozen=True, kw_only=True):
    """A source."""

    source: Source


class Operation(Api, frozen=True, kw_only=True):
    """What is asked for; lists are alternatives, fields must all hold."""

    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    not_hosts: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    not_ports: tuple[str, ...] = ()


class To(Api, frozen=True, kw_only=True):
    """An operation."""

    operation: Operation


class Condition(Api, frozen=True, kw_only=True):
    """One more condition: `key` is an attribute such as request.headers[x-user] or source.ip."""

    key: str = ""
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()


class PolicyTargetReference(Api, frozen=True, kw_only=True):
    """What a policy is attached to, instead of pods by label: an object of its own namespace.

    Of a Gateway of gateway.networking.k8s.io the pods count that carry its name as label `GATEWAY_NAME`;
    the other kinds are for waypoints.
    """

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
GATEWAY_TARGET = ("gateway.networking.k8s.io", "Gateway")
TARGETS = (
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    GATEWAY_TARGET,
    ("gateway.networking.k8s.io", "GatewayClass"),
)


def targets_of(
    one: PolicyTargetReference | None, several: tuple[PolicyTargetReference, ...]
) -> tuple[PolicyTargetReference, ...]:
    """What a policy is attached to by its `targetRefs`, or by the older `targetRef`."""
    return several or ((one,) if one else ())


class Rule(Api, frozen=True, kw_only=True):
    """A request matches if one `from` and one `to` match, and all of `when`."""

    from_: tuple[From, ...] = msgspec.field(default=(), name="from")
    to: tuple[To, ...] = ()
    when: tuple[Condition, ...] = ()


class Provider(Api, frozen=True, kw_only=True):
    """An external authorizer: an extension provider of the mesh's settings, by name."""

    name: str = ""


class AuthorizationPolicySpec(Api, frozen=True, kw_only=True):
    """`action`: ALLOW (the default), DENY, AUDIT, CUSTOM. ALLOW with no rule allows nothing."""

    selector: WorkloadSelector | None = None
    action: str = "ALLOW"
    rules: tuple[Rule, ...] = ()
    provider: Provider | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: tuple[PolicyTargetReference, ...] = ()


class AuthorizationPolicy(Api, frozen=True, kw_only=True):
    """security.istio.io AuthorizationPolicy."""

    api_version: str = "security.istio.io/v1"
    kind: str = "AuthorizationPolicy"
    metadata: ObjectMeta
    spec: AuthorizationPolicySpec = AuthorizationPolicySpec()
    status: Informative = None
