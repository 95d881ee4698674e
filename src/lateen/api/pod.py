"""Pod: containers, volumes, probes, and what runs say of themselves.

In: -    Out: Pod, PodSpec, PodTemplateSpec, Container ….    Source: core/v1 PodSpec.
Before: api/meta.py        After: cluster/, node/, world/
"""

from __future__ import annotations

import msgspec

from lateen.api.fields import Api, Informative, IntOrString, Labels, NotYet
from lateen.api.meta import Condition, ObjectMeta
from lateen.api.placing import Affinity, SpreadConstraint, Toleration
from lateen.api.quantity import Quantity


def _ip_names(name: str) -> str:
    head, *rest = name.split("_")
    upper = {"ip": "IP", "ips": "IPs", "api": "API", "pid": "PID", "ipc": "IPC", "id": "ID"}
    return head + "".join(upper.get(word, word.capitalize()) for word in rest)


class KeySelector(Api, frozen=True, kw_only=True):
    """A key of a ConfigMap or Secret."""

    key: str
    name: str = ""
    optional: bool = False


class FieldRef(Api, frozen=True, kw_only=True):
    """A field of the pod itself, such as `status.podIP`."""

    field_path: str
    api_version: Informative = None


class ResourceFieldRef(Api, frozen=True, kw_only=True):
    """A container's request or limit, such as `limits.cpu`, as a whole number of `divisor`s."""

    resource: str
    container_name: str = ""
    divisor: Quantity = "1"


class EnvVarSource(Api, frozen=True, kw_only=True):
    """Where an environment variable's value comes from; one of these."""

    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None
    field_ref: FieldRef | None = None
    resource_field_ref: ResourceFieldRef | None = None
    file_key_ref: NotYet = None


class EnvVar(Api, frozen=True, kw_only=True):
    """An environment variable; `$(NAME)` in `value` is expanded from earlier ones."""

    name: str
    value: str = ""
    value_from: EnvVarSource | None = None


class EnvFromRef(Api, frozen=True, kw_only=True):
    """A whole ConfigMap or Secret."""

    name: str = ""
    optional: bool = False


class EnvFromSource(Api, frozen=True, kw_only=True):
    """All keys of a ConfigMap or Secret as environment variables."""

    prefix: str = ""
    config_map_ref: EnvFromRef | None = None
    secret_ref: EnvFromRef | None = None


class ContainerPort(Api, frozen=True, kw_only=True, rename=_ip_names):
    """A port a container listens on; informs, and names it for Services."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"
    host_port: NotYet = None
    host_ip: NotYet = None


class HTTPHeader(Api, frozen=True, kw_only=True):
    """A header sent by a probe."""

    name: str
    value: str = ""


class HTTPGetAction(Api, frozen=True, kw_only=True):
    """GET; a status from 200 to 399 is success."""

    port: IntOrString
    path: str = "/"
    scheme: str = "HTTP"
    host: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(Api, frozen=True, kw_only=True):
    """Connect; an accepted connection is success."""

    port: IntOrString
    host: str = ""


class ExecAction(Api, frozen=True, kw_only=True):
    """Run in the container; exit status 0 is success."""

    command: tuple[str, ...] = ()


class GRPCAction(Api, frozen=True, kw_only=True):
    """grpc.health.v1 Check; SERVING is success."""

    port: int
    service: str = ""


class Probe(Api, frozen=True, kw_only=True):
    """A check of a container. Times are in seconds."""

    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    exec: ExecAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class SleepAction(Api, frozen=True, kw_only=True):
    """Wait so many seconds."""

    seconds: int


class LifecycleHandler(Api, frozen=True, kw_only=True):
    """What to do at a container's start or end; one of these."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Api, frozen=True, kw_only=True):
    """postStart runs beside the container's first moments, preStop before it is asked to end."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: NotYet = None


class ResourceRequirements(Api, frozen=True, kw_only=True):
    """What a container needs at least, and what it may use at most, by resource name."""

    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}
    claims: NotYet = None


class VolumeMount(Api, frozen=True, kw_only=True):
    """Where a volume appears in a container."""

    name: str
    mount_path: str
    read_only: bool | None = None  # what is not said and what is denied differ for a hostPath
    sub_path: str = ""
    sub_path_expr: str = ""
    mount_propagation: NotYet = None
    recursive_read_only: NotYet = None


class SecurityContext(Api, frozen=True, kw_only=True):
    """Who a container runs as. Every app runs with no capability at all here, whatever this says."""

    run_as_user: NotYet = None
    run_as_group: NotYet = None
    run_as_non_root: Informative = None
    read_only_root_filesystem: NotYet = None
    allow_privilege_escalation: Informative = None
    privileged: NotYet = None
    capabilities: NotYet = None
    seccomp_profile: NotYet = None
    se_linux_options: NotYet = None
    proc_mount: NotYet = None
    fs_group: NotYet = None
    supplemental_groups: NotYet = None
    sysctls: NotYet = None
    windows_options: NotYet = None
    app_armor_profile: NotYet = None
    supplemental_groups_policy: NotYet = None
    fs_group_change_policy: NotYet = None
    se_linux_change_policy: NotYet = None


class Container(Api, frozen=True, kw_only=True):
    """One process of a pod."""

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    resources: ResourceRequirements = ResourceRequirements()
    image_pull_policy: Informative = None
    security_context: SecurityContext | None = None
    lifecycle: Lifecycle | None = None
    restart_policy: str = ""  # of an init container: Always makes it a sidecar
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"
    volume_devices: NotYet = None
    restart_policy_rules: NotYet = None
    resize_policy: NotYet = None


class EphemeralContainer(Container, frozen=True, kw_only=True):
    """A container that comes into a running pod to look at it, and sees its target's processes."""

    target_container_name: str = ""


class KeyToPath(Api, frozen=True, kw_only=True):
    """One key of a ConfigMap or Secret under a chosen file name."""

    key: str
    path: str
    mode: int | None = None


class ConfigMapVolume(Api, frozen=True, kw_only=True):
    """A ConfigMap's keys as files."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False


class SecretVolume(Api, frozen=True, kw_only=True):
    """A Secret's keys as files."""

    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False


class EmptyDirVolume(Api, frozen=True, kw_only=True):
    """A folder that lives as long as its pod."""

    medium: str = ""
    size_limit: NotYet = None


class HostPathVolume(Api, frozen=True, kw_only=True):
    """A file or folder of this machine."""

    path: str
    type: str = ""


class ClaimVolume(Api, frozen=True, kw_only=True):
    """The volume a PersistentVolumeClaim of the pod's namespace is bound to."""

    claim_name: str
    read_only: bool = False


class DownwardFile(Api, frozen=True, kw_only=True):
    """A field of the pod, or a resource of a container, as a file."""

    path: str
    field_ref: FieldRef | None = None
    resource_field_ref: ResourceFieldRef | None = None
    mode: int | None = None


class DownwardVolume(Api, frozen=True, kw_only=True):
    """Fields of the pod as files."""

    items: tuple[DownwardFile, ...] = ()
    default_mode: int = 0o644


class TokenProjection(Api, frozen=True, kw_only=True):
    """A token of the pod's service account; renewed before it expires."""

    path: str
    audience: str = ""
    expiration_seconds: int = 3600


class KeysProjection(Api, frozen=True, kw_only=True):
    """Keys of a ConfigMap or Secret in a projected volume."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False


class DownwardProjection(Api, frozen=True, kw_only=True):
    """Fields of the pod in a projected volume."""

    items: tuple[DownwardFile, ...] = ()


class VolumeProjection(Api, frozen=True, kw_only=True, rename=_ip_names):
    """One source of a projected volume; one of these."""

    config_map: KeysProjection | None = None
    secret: KeysProjection | None = None
    downward_api: DownwardProjection | None = None
    service_account_token: TokenProjection | None = None
    cluster_trust_bundle: NotYet = None
    pod_certificate: NotYet = None


class ProjectedVolume(Api, frozen=True, kw_only=True):
    """Several sources as one folder."""

    sources: tuple[VolumeProjection, ...] = ()
    default_mode: int = 0o644


SPIFFE_DRIVER = "csi.spiffe.io"


class CsiVolume(Api, frozen=True, kw_only=True):
    """A volume of a storage driver. The one driver here shows the SPIFFE Workload API's socket."""

    driver: str = ""
    read_only: bool | None = None
    fs_type: Informative = None
    volume_attributes: Informative = None
    node_publish_secret_ref: NotYet = None


class Volume(Api, frozen=True, kw_only=True, rename=_ip_names):
    """Files for a pod's containers; one source."""

    name: str
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    empty_dir: EmptyDirVolume | None = None
    projected: ProjectedVolume | None = None
    downward_api: DownwardVolume | None = None
    host_path: HostPathVolume | None = None
    persistent_volume_claim: ClaimVolume | None = None
    csi: CsiVolume | None = None
    nfs: NotYet = None
    ephemeral: NotYet = None
    image: NotYet = None
    iscsi: NotYet = None
    glusterfs: NotYet = None
    rbd: NotYet = None
    flex_volume: NotYet = None
    cinder: NotYet = None
    cephfs: NotYet = None
    flocker: NotYet = None
    fc: NotYet = None
    azure_file: NotYet = None
    azure_disk: NotYet = None
    vsphere_volume: NotYet = None
    quobyte: NotYet = None
    portworx_volume: NotYet = None
    storageos: NotYet = None
    gce_persistent_disk: NotYet = None
    git_repo: NotYet = None
    scale_io: NotYet = msgspec.field(default=None, name="scaleIO")
    aws_elastic_block_store: NotYet = None


class SchedulingGate(Api, frozen=True, kw_only=True):
    """While there is one, the pod is not placed."""

    name: str


class PodSpec(Api, frozen=True, kw_only=True, rename=_ip_names):
    """What a pod runs."""

    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str = "Always"
    service_account_name: str = ""
    service_account: Informative = None
    termination_grace_period_seconds: int = 30
    hostname: str = ""
    subdomain: str = ""
    automount_service_account_token: Informative = None
    node_name: str = ""
    node_selector: Labels = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[SpreadConstraint, ...] = ()
    security_context: SecurityContext | None = None
    image_pull_secrets: Informative = None
    priority_class_name: str = ""
    priority: int | None = None
    preemption_policy: str = ""
    dns_policy: str = "ClusterFirst"
    dns_config: NotYet = None
    host_aliases: NotYet = None
    host_network: NotYet = None
    host_pid: NotYet = None
    host_ipc: NotYet = None
    share_process_namespace: NotYet = None
    enable_service_links: bool = True
    scheduler_name: Informative = None
    active_deadline_seconds: int | None = None
    runtime_class_name: NotYet = None
    readiness_gates: NotYet = None
    ephemeral_containers: tuple[EphemeralContainer, ...] = ()
    overhead: Informative = None
    set_hostname_as_fqdn: NotYet = msgspec.field(default=None, name="setHostnameAsFQDN")
    os: Informative = None
    host_users: NotYet = None
    scheduling_gates: tuple[SchedulingGate, ...] = ()
    resource_claims: NotYet = None
    resources: Informative = None
    hostname_override: NotYet = None


class ContainerStateRunning(Api, frozen=True, kw_only=True):
    """Since when it runs."""

    started_at: str | None = None


class ContainerStateWaiting(Api, frozen=True, kw_only=True):
    """Why it does not run: ContainerCreating, BuildFailed, CrashLoopBackOff …."""

    reason: str = ""
    message: str = ""


class ContainerStateTerminated(Api, frozen=True, kw_only=True):
    """How it ended."""

    exit_code: int
    reason: str = ""
    message: str = ""
    signal: int | None = None
    started_at: str | None = None
    finished_at: str | None = None


class ContainerState(Api, frozen=True, kw_only=True):
    """One of these."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Api, frozen=True, kw_only=True, rename=_ip_names):
    """What the node agent last saw of a container."""

    name: str
    ready: bool = False
    started: bool = False
    restart_count: int = 0
    image: str = ""
    image_id: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodIP(Api, frozen=True, kw_only=True):
    """An address of the pod."""

    ip: str


class PodStatus(Api, frozen=True, kw_only=True, rename=_ip_names):
    """What is known of a pod."""

    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()
    message: str = ""
    reason: str = ""
    pod_ip: str = ""
    pod_ips: tuple[PodIP, ...] = ()
    host_ip: str = ""
    start_time: str | None = None
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str = ""
    nominated_node_name: str = ""


class Pod(Api, frozen=True, kw_only=True):
    """One or more containers that share a network namespace, with their Envoy."""

    api_version: str = "v1"
    kind: str = "Pod"
    metadata: ObjectMeta
    spec: PodSpec
    status: PodStatus = PodStatus()


class PodTemplateSpec(Api, frozen=True, kw_only=True):
    """What a workload's pods look like."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec
