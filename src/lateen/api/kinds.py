"""The registry of kinds: group, versions, plural, scope, struct, columns.

In: -    Out: KINDS, Registry, `registry`, `kind_of`.
Before: every kind's file        After: api/decode.py, store/, apiserver/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lateen.api.admissionpolicy import (
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)
from lateen.api.autoscaling import HorizontalPodAutoscaler
from lateen.api.batch import CronJob, Job
from lateen.api.config import ConfigMap, Namespace, Secret, ServiceAccount
from lateen.api.definition import EXTENSIONS, Custom, CustomResourceDefinition
from lateen.api.destinationrule import DestinationRule
from lateen.api.envoyfilter import EnvoyFilter
from lateen.api.event import Event
from lateen.api.eventforms import EVENTS, EventsEvent, shown_event, stored_event, stored_path
from lateen.api.fields import Api
from lateen.api.gateway import Gateway
from lateen.api.ingress import Ingress, IngressClass
from lateen.api.limits import LimitRange, ResourceQuota
from lateen.api.networkpolicy import NetworkPolicy
from lateen.api.node import Node
from lateen.api.pod import Pod
from lateen.api.policy import PodDisruptionBudget, PriorityClass
from lateen.api.proxyconfig import ProxyConfig
from lateen.api.rbac import RBAC, ClusterRole, ClusterRoleBinding, Role, RoleBinding
from lateen.api.requestauthentication import RequestAuthentication
from lateen.api.security import AuthorizationPolicy, PeerAuthentication
from lateen.api.service import Endpoints, EndpointSlice, Service
from lateen.api.serviceentry import ServiceEntry, WorkloadEntry
from lateen.api.sets import ControllerRevision, DaemonSet, StatefulSet
from lateen.api.sidecar import Sidecar
from lateen.api.storage import PersistentVolume, PersistentVolumeClaim, StorageClass
from lateen.api.telemetry import Telemetry
from lateen.api.vertical import VERTICAL, VerticalPodAutoscaler
from lateen.api.virtualservice import VirtualService
from lateen.api.webhooks import (
    ADMISSION,
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
)
from lateen.api.workload import Deployment, ReplicaSet
from lateen.api.workloadgroup import WorkloadGroup

NETWORKING = "networking.istio.io"
KUBERNETES_NETWORKING = "networking.k8s.io"
SECURITY = "security.istio.io"
NETWORKING_VERSIONS = ("v1", "v1beta1", "v1alpha3")
SECURITY_VERSIONS = ("v1", "v1beta1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a group shows objects that another group's kind of the same name keeps.

    `path` turns a field that selects into the one that is stored.
    """

    group: str  # where they are kept
    shown: Callable[[Mapping[str, Any]], dict[str, Any]]
    stored: Callable[[Mapping[str, Any]], dict[str, Any]]
    path: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of object. `versions[0]` is the one stored and shown first."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    struct: type[Api]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    custom: Custom | None = field(default=None, hash=False)  # None for what is built in
    form: Form | None = field(default=None, hash=False)  # None where objects are kept as they are

    @property
    def stored_in(self) -> str:
        """The group its objects are kept in."""
        return self.form.group if self.form else self.group

    def shown(self, tree: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is stored, in this kind's form."""
        return self.form.shown(tree) if self.form else tree

    def stored(self, tree: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is of this kind's form, as it is to be stored."""
        return self.form.stored(tree) if self.form else tree

    def api_version(self, version: str | None = None) -> str:
        """`apps/v1`, or `v1` for the core group."""
        version = version or self.versions[0]
        return f"{self.group}/{version}" if self.group else version


KINDS: tuple[Kind, ...] = (
    Kind(
        group="",
        versions=("v1",),
        kind="Namespace",
        plural="namespaces",
        struct=Namespace,
        namespaced=False,
        short_names=("ns",),
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="ServiceAccount",
        plural="serviceaccounts",
        struct=ServiceAccount,
        short_names=("sa",),
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="ConfigMap",
        plural="configmaps",
        struct=ConfigMap,
        short_names=("cm",),
    ),
    Kind(group="", versions=("v1",), kind="Secret", plural="secrets", struct=Secret),
    Kind(
        group="",
        versions=("v1",),
        kind="Service",
        plural="services",
        struct=Service,
        short_names=("svc",),
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="Endpoints",
        plural="endpoints",
        struct=Endpoints,
        short_names=("ep",),
    ),
    Kind(group="", versions=("v1",), kind="Pod", plural="pods", struct=Pod, short_names=("po",)),
    Kind(
        group="",
        versions=("v1",),
        kind="Event",
        plural="events",
        struct=Event,
        short_names=("ev",),
    ),
    Kind(
        group=EVENTS,
        versions=("v1",),
        kind="Event",
        plural="events",
        struct=EventsEvent,
        short_names=("ev",),
        form=Form(group="", shown=shown_event, stored=stored_event, path=stored_path),
    ),
    Kind(
        group="discovery.k8s.io",
        versions=("v1",),
        kind="EndpointSlice",
        plural="endpointslices",
        struct=EndpointSlice,
    ),
    Kind(
        group="apps",
        versions=("v1",),
        kind="Deployment",
        plural="deployments",
        struct=Deployment,
        short_names=("deploy",),
    ),
    Kind(
        group="apps",
        versions=("v1",),
        kind="ReplicaSet",
        plural="replicasets",
        struct=ReplicaSet,
        short_names=("rs",),
    ),
    Kind(
        group="apps",
        versions=("v1",),
        kind="StatefulSet",
        plural="statefulsets",
        struct=StatefulSet,
        short_names=("sts",),
    ),
    Kind(
        group="apps",
        versions=("v1",),
        kind="DaemonSet",
        plural="daemonsets",
        struct=DaemonSet,
        short_names=("ds",),
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="Node",
        plural="nodes",
        struct=Node,
        namespaced=False,
        short_names=("no",),
    ),
    Kind(
        group="apps",
        versions=("v1",),
        kind="ControllerRevision",
        plural="controllerrevisions",
        struct=ControllerRevision,
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="PersistentVolumeClaim",
        plural="persistentvolumeclaims",
        struct=PersistentVolumeClaim,
        short_names=("pvc",),
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="PersistentVolume",
        plural="persistentvolumes",
        struct=PersistentVolume,
        namespaced=False,
        short_names=("pv",),
    ),
    Kind(
        group="storage.k8s.io",
        versions=("v1",),
        kind="StorageClass",
        plural="storageclasses",
        struct=StorageClass,
        namespaced=False,
        short_names=("sc",),
    ),
    Kind(
        group="policy",
        versions=("v1",),
        kind="PodDisruptionBudget",
        plural="poddisruptionbudgets",
        struct=PodDisruptionBudget,
        short_names=("pdb",),
    ),
    Kind(
        group="scheduling.k8s.io",
        versions=("v1",),
        kind="PriorityClass",
        plural="priorityclasses",
        struct=PriorityClass,
        namespaced=False,
        short_names=("pc",),
    ),
    Kind(
        group="autoscaling",
        versions=("v2", "v1"),
        kind="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        struct=HorizontalPodAutoscaler,
        short_names=("hpa",),
    ),
    Kind(
        group=VERTICAL,
        versions=("v1",),
        kind="VerticalPodAutoscaler",
        plural="verticalpodautoscalers",
        struct=VerticalPodAutoscaler,
        short_names=("vpa",),
    ),
    Kind(group="batch", versions=("v1",), kind="Job", plural="jobs", struct=Job),
    Kind(
        group="batch",
        versions=("v1",),
        kind="CronJob",
        plural="cronjobs",
        struct=CronJob,
        short_names=("cj",),
    ),
    Kind(
        group=KUBERNETES_NETWORKING,
        versions=("v1",),
        kind="Ingress",
        plural="ingresses",
        struct=Ingress,
        short_names=("ing",),
    ),
    Kind(
        group=KUBERNETES_NETWORKING,
        versions=("v1",),
        kind="IngressClass",
        plural="ingressclasses",
        struct=IngressClass,
        namespaced=False,
    ),
    Kind(
        group=KUBERNETES_NETWORKING,
        versions=("v1",),
        kind="NetworkPolicy",
        plural="networkpolicies",
        struct=NetworkPolicy,
        short_names=("netpol",),
    ),
    Kind(
        group=NETWORKING,
        versions=NETWORKING_VERSIONS,
        kind="Gateway",
        plural="gateways",
        struct=Gateway,
        short_names=("gw",),
    ),
    Kind(
        group=NETWORKING,
        versions=NETWORKING_VERSIONS,
        kind="VirtualService",
        plural="virtualservices",
        struct=VirtualService,
        short_names=("vs",),
    ),
    Kind(
        group=NETWORKING,
        versions=NETWORKING_VERSIONS,
        kind="DestinationRule",
        plural="destinationrules",
        struct=DestinationRule,
        short_names=("dr",),
    ),
    Kind(
        group=NETWORKING,
        versions=NETWORKING_VERSIONS,
        kind="ServiceEntry",
        plural="serviceentries",
        struct=ServiceEntry,
        short_names=("se",),
    ),
    Kind(
        group=NETWORKING,
        versions=("v1beta1",),
        kind="ProxyConfig",
        plural="proxyconfigs",
        struct=ProxyConfig,
    ),
    Kind(
        group=NETWORKING,
        versions=NETWORKING_VERSIONS,
        kind="WorkloadGroup",
        plural="workloadgroups",
        struct=WorkloadGroup,
        short_names=("wg",),
    ),
    Kind(
        group=NETWORKING,
        versions=("v1alpha3",),
        kind="EnvoyFilter",
        plural="envoyfilters",
        struct=EnvoyFilter,
    ),
    Kind(
        group=NETWORKING,
        versions=NETWORKING_VERSIONS,
        kind="Sidecar",
        plural="sidecars",
        struct=Sidecar,
    ),
    Kind(
        group=NETWORKING,
        versions=NETWORKING_VERSIONS,
        kind="WorkloadEntry",
        plural="workloadentries",
        struct=WorkloadEntry,
        short_names=("we",),
    ),
    Kind(
        group=SECURITY,
        versions=SECURITY_VERSIONS,
        kind="PeerAuthentication",
        plural="peerauthentications",
        struct=PeerAuthentication,
        short_names=("pa",),
    ),
    Kind(
        group=SECURITY,
        versions=SECURITY_VERSIONS,
        kind="AuthorizationPolicy",
        plural="authorizationpolicies",
        struct=AuthorizationPolicy,
        short_names=("ap",),
    ),
    Kind(
        group=SECURITY,
        versions=SECURITY_VERSIONS,
        kind="RequestAuthentication",
        plural="requestauthentications",
        struct=RequestAuthentication,
        short_names=("ra",),
    ),
    Kind(
        group="telemetry.istio.io",
        versions=("v1", "v1alpha1"),
        kind="Telemetry",
        plural="telemetries",
        struct=Telemetry,
        short_names=("telemetry",),
    ),
    Kind(group=RBAC, versions=("v1",), kind="Role", plural="roles", struct=Role),
    Kind(
        group=RBAC,
        versions=("v1",),
        kind="ClusterRole",
        plural="clusterroles",
        struct=ClusterRole,
        namespaced=False,
    ),
    Kind(
        group=RBAC,
        versions=("v1",),
        kind="RoleBinding",
        plural="rolebindings",
        struct=RoleBinding,
    ),
    Kind(
        group=RBAC,
        versions=("v1",),
        kind="ClusterRoleBinding",
        plural="clusterrolebindings",
        struct=ClusterRoleBinding,
        namespaced=False,
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="LimitRange",
        plural="limitranges",
        struct=LimitRange,
        short_names=("limits",),
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="ResourceQuota",
        plural="resourcequotas",
        struct=ResourceQuota,
        short_names=("quota",),
    ),
    Kind(
        group=ADMISSION,
        versions=("v1",),
        kind="MutatingWebhookConfiguration",
        plural="mutatingwebhookconfigurations",
        struct=MutatingWebhookConfiguration,
        namespaced=False,
    ),
    Kind(
        group=ADMISSION,
        versions=("v1",),
        kind="ValidatingWebhookConfiguration",
        plural="validatingwebhookconfigurations",
        struct=ValidatingWebhookConfiguration,
        namespaced=False,
    ),
    Kind(
        group=ADMISSION,
        versions=("v1",),
        kind="ValidatingAdmissionPolicy",
        plural="validatingadmissionpolicies",
        struct=ValidatingAdmissionPolicy,
        namespaced=False,
    ),
    Kind(
        group=ADMISSION,
        versions=("v1",),
        kind="ValidatingAdmissionPolicyBinding",
        plural="validatingadmissionpolicybindings",
        struct=ValidatingAdmissionPolicyBinding,
        namespaced=False,
    ),
    Kind(
        group=EXTENSIONS,
        versions=("v1",),
        kind="CustomResourceDefinition",
        plural="customresourcedefinitions",
        struct=CustomResourceDefinition,
        namespaced=False,
        short_names=("crd", "crds"),
    ),
)


class Registry:
    """The kinds there are, built in and defined, by name and by path."""

    def __init__(self, defined: tuple[Kind, ...] = ()) -> None:
        self.defined = defined
        self.kinds: tuple[Kind, ...] = (*KINDS, *defined)
        self._by_name = {(k.group, k.kind): k for k in self.kinds}
        self._by_path = {(k.group, v, k.plural): k for k in self.kinds for v in k.versions}

    def of(self, group: str, kind: str) -> Kind | None:
        """The kind of that name, or None."""
        return self._by_name.get((group, kind))

    def at(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind that a path names, or None."""
        return self._by_path.get((group, version, plural))


_BUILT_IN_ONLY = Registry()
_current = [_BUILT_IN_ONLY]


def registry() -> Registry:
    """The registry as of now."""
    return _current[0]


def register(defined: tuple[Kind, ...]) -> None:
    """Let these be the defined kinds from now on."""
    if defined != registry().defined:
        _current[0] = Registry(defined) if defined else _BUILT_IN_ONLY


def kind_of(group: str, kind: str) -> Kind | None:
    """The registered kind, or None for one lateen does not know."""
    return registry().of(group, kind)


def group_of(api_version: str) -> str:
    """`apps` of `apps/v1`; "" of `v1`."""
    return api_version.rpartition("/")[0]
