"""Check one object, whatever its kind.

In: Obj, or what decoding left of one.    Out: problems, IST0106 unless a finer code fits.
Before: every kind's check                After: check/admission.py, apiserver/
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from lateen.api.admissionpolicy import (
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)
from lateen.api.autoscaling import HorizontalPodAutoscaler
from lateen.api.batch import CronJob, Job
from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.config import ConfigMap, Secret
from lateen.api.decode import Partial
from lateen.api.definition import CustomResource, CustomResourceDefinition
from lateen.api.destinationrule import DestinationRule
from lateen.api.envoyfilter import EnvoyFilter
from lateen.api.eventforms import EventsEvent
from lateen.api.gateway import Gateway
from lateen.api.ingress import Ingress, IngressClass
from lateen.api.kinds import kind_of
from lateen.api.networkpolicy import NetworkPolicy
from lateen.api.node import Node
from lateen.api.objects import Obj
from lateen.api.paths import holds
from lateen.api.pod import Pod
from lateen.api.policy import PodDisruptionBudget
from lateen.api.proxyconfig import ProxyConfig
from lateen.api.rbac import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.security import AuthorizationPolicy, PeerAuthentication
from lateen.api.service import Endpoints, Service
from lateen.api.serviceentry import ServiceEntry, WorkloadEntry
from lateen.api.sets import DaemonSet, StatefulSet
from lateen.api.sidecar import Sidecar
from lateen.api.storage import PersistentVolume, PersistentVolumeClaim
from lateen.api.telemetry import Telemetry
from lateen.api.vertical import VerticalPodAutoscaler
from lateen.api.virtualservice import VirtualService
from lateen.api.webhooks import MutatingWebhookConfiguration, ValidatingWebhookConfiguration
from lateen.api.workload import Deployment, ReplicaSet
from lateen.api.workloadgroup import WorkloadGroup
from lateen.base.problem import Problem
from lateen.check.admissionpolicy import check_policy, check_policy_binding
from lateen.check.at import At
from lateen.check.batch import check_cron_job, check_job
from lateen.check.definition import check_definition
from lateen.check.destinationrule import check_destination_rule
from lateen.check.endpoints import check_endpoints
from lateen.check.envoyfilter import check_envoy_filter
from lateen.check.event import check_event
from lateen.check.gateway import check_gateway
from lateen.check.ingress import check_ingress, check_ingress_class
from lateen.check.networkpolicy import check_network_policy
from lateen.check.proxyconfig import check_proxy_config, check_workload_group
from lateen.check.rbac import check_rbac
from lateen.check.rules import broken_rules
from lateen.check.scaling import check_autoscaler, check_budget
from lateen.check.security import check_authorization_policy, check_peer_authentication
from lateen.check.service import check_config_map, check_secret, check_service
from lateen.check.serviceentry import check_service_entry, check_workload_entry
from lateen.check.sets import (
    check_claim,
    check_daemon_set,
    check_node,
    check_stateful_set,
    check_volume,
)
from lateen.check.sidecar import check_sidecar
from lateen.check.telemetry import check_telemetry
from lateen.check.tokens import check_request_authentication
from lateen.check.vertical import check_vertical
from lateen.check.virtualservice import check_virtual_service
from lateen.check.webhooks import check_webhooks
from lateen.check.workload import check_deployment, check_pod, check_replica_set

_MESH_GROUPS = ("istio.io", "gateway.networking.k8s.io")


def check_object(obj: Obj) -> tuple[Problem, ...]:
    """Every fault of one object, taken alone. Namespace, ServiceAccount, EndpointSlice have none."""
    return tuple(_problems(obj))


def check_partial(partial: Partial) -> tuple[Problem, ...]:
    """The faults of the sound rest of an object whose decoding found errors.

    What only follows from a gap is left out: a rule that decoding had to empty is not also
    reported as empty.
    """
    return tuple(p for p in check_object(partial.obj) if not follows(p, partial))


def follows(problem: Problem, partial: Partial) -> bool:
    """Whether a problem is only the consequence of what decoding has reported already."""
    where = problem.origin.field
    if any(holds(where, gap) or holds(gap, where) for gap in partial.gaps):
        return True
    return any(_parent(path) == where for path in partial.unread)


def _parent(path: str) -> str:
    return path[: max(path.rfind("."), path.rfind("["), 0)]


def _problems(obj: Obj) -> Iterator[Problem]:
    at = At(obj)
    match obj.typed:
        case VirtualService() as typed:
            return check_virtual_service(typed, at)
        case DestinationRule() as typed:
            return check_destination_rule(typed, at)
        case Gateway() as typed:
            return check_gateway(typed, at)
        case ServiceEntry() as typed:
            return check_service_entry(typed, at)
        case ProxyConfig() as typed:
            return check_proxy_config(typed, at)
        case WorkloadGroup() as typed:
            return check_workload_group(typed, at)
        case EnvoyFilter() as typed:
            return check_envoy_filter(typed, at)
        case Sidecar() as typed:
            return check_sidecar(typed, at)
        case WorkloadEntry() as typed:
            return check_workload_entry(typed, at)
        case PeerAuthentication() as typed:
            return check_peer_authentication(typed, at)
        case AuthorizationPolicy() as typed:
            return check_authorization_policy(typed, at)
        case RequestAuthentication() as typed:
            return check_request_authentication(typed, at)
        case Telemetry() as typed:
            return check_telemetry(typed, at)
        case Service() as typed:
            return check_service(typed, at)
        case Endpoints() as typed:
            return check_endpoints(typed, at)
        case ConfigMap() as typed:
            return check_config_map(typed, at)
        case Secret() as typed:
            return check_secret(typed, at)
        case Deployment() as typed:
            return check_deployment(typed, at)
        case ReplicaSet() as typed:
            return check_replica_set(typed, at)
        case EventsEvent() as typed:
            return check_event(typed, at)
        case Pod() as typed:
            return check_pod(typed, at)
        case MutatingWebhookConfiguration() | ValidatingWebhookConfiguration() as typed:
            return check_webhooks(typed, at)
        case Role() | ClusterRole() | RoleBinding() | ClusterRoleBinding() as typed:
            return check_rbac(typed, at)
        case CustomResourceDefinition() as typed:
            return check_definition(typed, at)
        case CustomResource():
            return _broken(obj, at)
        case Job() as typed:
            return check_job(typed, at)
        case CronJob() as typed:
            return check_cron_job(typed, at)
        case StatefulSet() as typed:
            return check_stateful_set(typed, at)
        case HorizontalPodAutoscaler() as typed:
            return check_autoscaler(typed, at)
        case VerticalPodAutoscaler() as typed:
            return check_vertical(typed, at)
        case PodDisruptionBudget() as typed:
            return check_budget(typed, at)
        case PersistentVolume() as typed:
            return check_volume(typed, at)
        case Ingress() as typed:
            return check_ingress(typed, at)
        case IngressClass() as typed:
            return check_ingress_class(typed, at)
        case NetworkPolicy() as typed:
            return check_network_policy(typed, at)
        case Node() as typed:
            return check_node(typed, at)
        case DaemonSet() as typed:
            return check_daemon_set(typed, at)
        case ValidatingAdmissionPolicy() as typed:
            return check_policy(typed, at)
        case ValidatingAdmissionPolicyBinding() as typed:
            return check_policy_binding(typed, at)
        case PersistentVolumeClaim() as typed:
            return check_claim(typed, at)
    return iter(())


def _broken(obj: Obj, at: At) -> Iterator[Problem]:
    """The rules of its definition that an object does not keep, and whether the mesh heeds it."""
    if obj.key.group.endswith(_MESH_GROUPS):
        words = f"{obj.key.kind} is stored as it is defined, but not yet honoured: it has no effect"
        yield at.key("kind").warning(words, code=NOT_YET_HONOURED)
    kind = kind_of(obj.key.group, obj.key.kind)
    if kind is not None:
        for broken in broken_rules(kind, obj.raw):
            yield replace(at, path=broken.path).error(broken.message)
