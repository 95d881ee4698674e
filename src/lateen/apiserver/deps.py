"""What the API needs of the rest of lateen, asked for as narrow protocols and callables.

In: -    Out: Objects (the store's calls it uses), ApiDeps, LogRequest.
Before: api/objects.py        After: every other file of apiserver/, console/page.py

The layers beside this one are never imported: whoever builds the application hands these in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey


class Change(Protocol):
    """One event of the store: `type` is ADDED, MODIFIED or DELETED."""

    @property
    def type(self) -> str:
        """Kubernetes' event type."""

    @property
    def obj(self) -> Obj:
        """The object after the change; before it, for DELETED."""

    @property
    def revision(self) -> int:
        """The revision of the change."""

    @property
    def before(self) -> Obj | None:
        """What was there; None if nothing was, or if that is no longer known."""


class Changes(Protocol):
    """A stream of events that ends when closed."""

    def __aiter__(self) -> AsyncIterator[Change]:
        """Events in order of revision."""

    async def wait(self) -> bool:
        """Until there is something to read: True, or the stream has ended: False. Raises Expired."""

    def read(self, most: int) -> Sequence[Change]:
        """Up to `most` of the events not read yet, without waiting; raises Expired."""

    def close(self) -> None:
        """End the stream."""


class Objects(Protocol):
    """The calls of the store that the API makes; see the store's own interface for their rules."""

    @property
    def revision(self) -> int:
        """The newest revision."""

    def get(self, key: ObjectKey) -> Obj | None:
        """The object, or None."""

    def list(
        self, *, group: str | None = None, kind: str | None = None, namespace: str | None = None
    ) -> tuple[Obj, ...]:
        """Objects sorted by key; None means any."""

    def put(self, raw: Mapping[str, Any], *, expect: int | None = None, source: str = "") -> Obj:
        """Create (`expect=0`) or replace; raises Conflict."""

    def put_status(self, key: ObjectKey, status: Mapping[str, Any]) -> Obj:
        """Replace only the status; raises NotFound."""

    def transaction(self) -> AbstractContextManager[None]:
        """Group writes; an exception undoes them."""

    def watch(self, *, since: int | None = None) -> Changes:
        """Every change after `since`; raises Expired."""


class LogRequest(Struct, frozen=True, kw_only=True):
    """One question for a container's log; times in seconds, None means no limit."""

    namespace: str
    pod: str
    uid: str
    container: str
    tail_lines: int | None = None
    since_seconds: float | None = None
    limit_bytes: int | None = None
    timestamps: bool = False
    previous: bool = False
    follow: bool = False


ReadLog = Callable[[LogRequest, Callable[[], bool]], AsyncIterator[bytes]]


class ExecRequest(Struct, frozen=True, kw_only=True):
    """Run a command in a container of the pod with this uid."""

    uid: str
    container: str
    command: tuple[str, ...]
    stdin: bool = False
    tty: bool = False


class AttachRequest(Struct, frozen=True, kw_only=True):
    """Read, and with `stdin` write to, what a container's first process does."""

    uid: str
    container: str
    stdin: bool = False


class ForwardRequest(Struct, frozen=True, kw_only=True):
    """Connect to a TCP port of the pod; with an `address` to that, as the pod's apps do."""

    uid: str
    port: int
    address: str = ""


class PodStream(Protocol):
    """Pieces on channels: 0 stdin, 1 stdout, 2 stderr, 3 the end (JSON: exit_code, error), 4 resize,
    255 (content: a channel that has ended). A forwarded connection sends on 0 and hears on 1."""

    async def receive(self) -> tuple[int, bytes] | None:
        """The next piece from the pod; None when the node has gone."""

    async def send(self, channel: int, data: bytes) -> None:
        """Pass a piece on, when there is room."""

    def close(self) -> None:
        """Be done with it."""


OpenPodStream = Callable[[ExecRequest | AttachRequest | ForwardRequest], Awaitable[PodStream]]


class ContainerUse(Struct, frozen=True, kw_only=True):
    """What a container uses: cores, and bytes of memory."""

    name: str
    cpu: float
    memory: int


class PodUse(Struct, frozen=True, kw_only=True):
    """What a pod's containers used in the last `window` seconds, up to `at`."""

    at: datetime
    window: float
    containers: tuple[ContainerUse, ...]


class Deletion(Protocol):
    """Deletes an object as its kind demands (a pod drains first, an owner takes its own along)."""

    def __call__(self, key: ObjectKey, *, grace: int | None, propagation: str) -> Obj | None:
        """`grace` in seconds, None for the object's own; `propagation` is Foreground, Background or
        Orphan. Returns the object if it is still there, ending; None if it is gone. Raises NotFound.
        """


class Sources(Struct, frozen=True, kw_only=True):
    """What should run from now on: absolute paths (`-` means `stdin`), and the default namespace.

    `beside`: on top of what runs already. `wait`: seconds for the proxies to acknowledge; None: do not.
    """

    paths: tuple[str, ...]
    stdin: str = ""
    folder: str = ""
    namespace: str = "default"
    beside: bool = False
    wait: float | None = None


class ApiDeps(Struct, frozen=True, kw_only=True):
    """The rest of lateen, as functions. What they return is plain JSON-able data.

    `delete`       as Deletion says.
    `read_log`     text of a container's log; the second argument tells whether the container ended,
                   so that following may stop. Raises NotFound when there is no such log.
    `apply`        takes over what the sources hold and says what that changed.
    `status`       the mesh: name, phase, pods, urls, problems, refused.
    `problems`     {"problems": [...]}, each with code, level, kind, namespace, name, field, file, line.
    `proxies`      {"proxies": [...]}, each with namespace, pod, role, state, certificateSeconds.
    `certificates` {"certificates": [...], "rotation", "waitingFor"}; `rotate_root` begins a change of
                   root and says the same; raises NotPossible where there is none to make.
    `config_dump`  Envoy's config_dump (with include_eds) of a pod, by namespace and name; raises
                   NotFound.
    `traffic`      {"edges": [...], "proxies": [...]}, request counters since each proxy started.
    `decisions`    {"hops": [...]} of the request with that id, or ("") of those refused lately: who let it
                   in or refused it at each proxy. Raises ValueError for what is no request id.
    `metrics`      the whole mesh as one Prometheus text page.
    `platform`     the platform's own figures as one, without asking the proxies.
    `holders`      {"proxies": [...]} that an object is for: namespace, pod, acknowledged.
    `settings_at`  {"settings": [...]} that a pod's proxy runs: group, kind, namespace, name, acknowledged.
    `timed`        is told of each answer: verb, resource, status, seconds.
    `uses`         what each running pod uses, by its uid.
    `open_stream`  a stream into a pod; raises EnvironmentFault when its node does not answer.
    `drain`        ends the pods in order; returns when they are gone.
    `shutdown`     begins the orderly end and returns at once.
    """

    delete: Deletion
    read_log: ReadLog
    apply: Callable[[Sources], Awaitable[Any]]
    status: Callable[[], Any]
    problems: Callable[[], Any]
    proxies: Callable[[], Any]
    certificates: Callable[[], Any]
    rotate_root: Callable[[], Any]
    config_dump: Callable[[str, str], Awaitable[Any]]
    traffic: Callable[[], Awaitable[Any]]
    metrics: Callable[[], Awaitable[str]]
    platform: Callable[[], str]
    timed: Callable[[str, str, int, float], None]
    decisions: Callable[[str], Awaitable[dict[str, Any]]]
    holders: Callable[[ObjectKey], dict[str, Any]]
    settings_at: Callable[[str, str], dict[str, Any]]
    uses: Callable[[], Mapping[str, PodUse]]
    open_stream: OpenPodStream
    drain: Callable[[], Awaitable[Any]]
    shutdown: Callable[[], None]
