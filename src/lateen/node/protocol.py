"""What the control plane and the node agent say to each other: JSON lines over a Unix socket.

In: -    Out: the messages (two closed unions), `encode`, `decode_to_node`, `decode_to_control`.
Before: api/pod.py        After: node/agent.py, stages/nodes.py

The agent dials the control plane, says Hello with all it runs, and is then told what should run. It
keeps its pods when the control plane goes away, and dials again. Every message states a wish or a
fact in full, so that repeating one changes nothing.
"""

from __future__ import annotations

import msgspec

from lateen.api.interception import EVERYTHING, Interception
from lateen.api.pod import Lifecycle, PodStatus, Probe
from lateen.ir.packets import PodFilter


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The base of everything sent."""


class Mount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A host path shown to a container. Not read-only means: a private writable copy-on-write."""

    source: str
    target: str
    read_only: bool = True


class VolumeFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a ConfigMap or Secret volume; `content` travels as base64."""

    path: str
    content: bytes
    mode: int = 0o644


class HostPath(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path of this machine, with the `type` of a hostPath volume: what must be there, or be made."""

    path: str
    type: str = ""


class VolumeRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A volume of the pod: given files (read-only to the app), an empty folder, or a path of this
    machine: the user's (`host`), or one that lateen keeps for a claim (`kept`, made if missing)."""

    name: str
    files: tuple[VolumeFile, ...] = ()
    empty_dir: bool = False
    host: HostPath | None = None
    kept: str = ""


class VolumeTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a volume, or one path of it, appears in a container."""

    name: str
    path: str
    sub_path: str = ""
    read_only: bool = False


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a container may use at most; 0 for any amount. `shares` weighs it against others."""

    memory: int = 0  # bytes
    cpu: int = 0  # thousandths of a core
    shares: int = 0  # thousandths of a core asked for


class ContainerRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process to run, everything resolved: no reference is left to look up."""

    name: str
    image: str
    argv: tuple[str, ...]
    restart_policy: str = ""  # of an init container: Always makes it a sidecar
    cwd: str = "/"
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    volumes: tuple[VolumeTarget, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()  # named container ports, for probes
    liveness: Probe | None = None
    readiness: Probe | None = None
    startup: Probe | None = None
    lifecycle: Lifecycle | None = None
    message_path: str = ""  # where the app may leave its last words; "" for nowhere
    message_from_log: bool = False  # without such words, a failure's are the end of its log
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    target: str = ""  # of an ephemeral container: whose processes it sees
    limits: Limits = Limits()


class ProxyRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The pod's Envoy. `bootstrap` is its JSON configuration; it holds the pod's xDS token.

    `last_seconds`: it stays at least so long from when the pod begins to end, for what is in flight.
    """

    bootstrap: str
    concurrency: int = 1
    env: tuple[tuple[str, str], ...] = ()
    drain_seconds: int = 45
    last_seconds: float = 0.0
    intercept: bool = True  # False for a gateway: nothing to redirect
    interception: Interception = EVERYTHING


class PodRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pod to run. `slot` names its folder under the run directory (short and unique)."""

    uid: str
    slot: str
    namespace: str
    name: str
    address: str
    hostname: str
    node: str = ""
    service_account: str = "default"
    restart_policy: str = "Always"
    grace_seconds: int = 30
    proxy: ProxyRun | None = None
    init_containers: tuple[ContainerRun, ...] = ()
    containers: tuple[ContainerRun, ...] = ()
    ephemeral_containers: tuple[ContainerRun, ...] = ()
    deadline_seconds: int | None = None  # how long the pod may run
    volumes: tuple[VolumeRun, ...] = ()
    search: tuple[str, ...] = ()  # DNS search domains


class PutPod(_Message, frozen=True, kw_only=True, tag="put-pod"):
    """This pod should run so; a known uid only takes over changed volume files, a deadline, and further
    ephemeral containers."""

    pod: PodRun


class GuardPod(_Message, frozen=True, kw_only=True, tag="guard-pod"):
    """What may reach the pod of this uid and what may leave it, also one that is yet to come."""

    uid: str
    passing: PodFilter


class DropPod(_Message, frozen=True, kw_only=True, tag="drop-pod"):
    """End this pod: TERM the app, wait up to `grace_seconds`, KILL it, then end the proxy."""

    uid: str
    grace_seconds: int = 30


class Keep(_Message, frozen=True, kw_only=True, tag="keep"):
    """After Hello: the uids that should exist; every other pod is dropped."""

    uids: tuple[str, ...]


class Name(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A DNS name (lower case, no trailing dot) with its IPv4 addresses or its CNAME."""

    name: str
    addresses: tuple[str, ...] = ()
    cname: str = ""


class ServiceAddress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Service's address and port with its ready endpoints, for those that have no proxy.

    With `outside` clients of the host come to it through a socket. `affinity`: for how many seconds a
    client stays with its endpoint; 0 for not at all. `nodes`, if given, are the endpoints': a pod goes to
    those of its own node alone.
    """

    address: str
    port: int
    endpoints: tuple[tuple[str, int], ...] = ()
    outside: bool = False
    affinity: int = 0
    nodes: tuple[str, ...] = ()


class Directory(_Message, frozen=True, kw_only=True, tag="directory"):
    """All names and service addresses of the mesh; replaces what was sent before."""

    names: tuple[Name, ...] = ()
    services: tuple[ServiceAddress, ...] = ()


class Moved(_Message, frozen=True, kw_only=True, tag="moved"):
    """What stands behind some services now; all else of the directory stays as it was."""

    services: tuple[ServiceAddress, ...] = ()


class Execute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="execute"):
    """Run a command in a container, behind the same walls."""

    container: str
    argv: tuple[str, ...]
    stdin: bool = False
    tty: bool = False


class Attach(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="attach"):
    """Talk with a container's first process."""

    container: str
    stdin: bool = False


class Forward(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="forward"):
    """Connect to a TCP port on the pod's loopback, past its proxy.

    With an `address` the pod's apps could dial, connect there as they do: through the proxy.
    """

    port: int
    address: str = ""


class OpenStream(_Message, frozen=True, kw_only=True, tag="open-stream"):
    """Dial the control plane once more, say StreamHello with this id, and do `what` in frames."""

    id: str
    uid: str
    what: Execute | Attach | Forward


ToNode = PutPod | GuardPod | DropPod | Keep | Directory | Moved | OpenStream


class PodReport(_Message, frozen=True, kw_only=True, tag="pod-report"):
    """What a pod's processes are doing now. `proxy` is reported as container `istio-proxy`."""

    uid: str
    status: PodStatus
    gone: bool = False


class ContainerUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """CPU seconds a container has used since it started, and bytes of memory it uses now."""

    uid: str
    container: str
    cpu: float = 0.0
    memory: int = 0


class Use(_Message, frozen=True, kw_only=True, tag="use"):
    """What everything that runs uses, `at` a moment of the node's monotonic clock in seconds."""

    at: float
    containers: tuple[ContainerUse, ...] = ()


class Hello(_Message, frozen=True, kw_only=True, tag="hello"):
    """The agent is here; `boot` names this life of it."""

    boot: str
    pods: tuple[PodReport, ...] = ()
    unlimited: str = ""  # why limits of memory or cpu have no effect here


class StreamHello(_Message, frozen=True, kw_only=True, tag="stream-hello"):
    """This connection is the stream that was asked for; node/frames.py is what follows."""

    id: str


class StreamEnd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Content of the last frame, on channel ENDED: an exit status, or what went wrong."""

    exit_code: int = 0
    error: str = ""


ToControl = Hello | PodReport | StreamHello | Use

_encoder = msgspec.json.Encoder()
_to_node: msgspec.json.Decoder[ToNode] = msgspec.json.Decoder(ToNode)
_to_control: msgspec.json.Decoder[ToControl] = msgspec.json.Decoder(ToControl)


def encode(message: ToNode | ToControl) -> bytes:
    """One line, newline included."""
    return _encoder.encode(message) + b"\n"


def decode_to_node(line: bytes) -> ToNode:
    """Read what the control plane said; raises msgspec.ValidationError."""
    message: ToNode = _to_node.decode(line)
    return message


def decode_to_control(line: bytes) -> ToControl:
    """Read what the agent said; raises msgspec.ValidationError."""
    message: ToControl = _to_control.decode(line)
    return message
