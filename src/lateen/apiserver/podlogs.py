"""Answer a pod's `log` subresource.

In: a pod and a query.    Out: plain text, followed if asked.
Before: apiserver/crilog.py        After: apiserver/app.py

Source: core/v1 PodLogOptions.
"""

from __future__ import annotations

from aiohttp import web

from lateen.api.objects import Obj
from lateen.api.pod import ContainerStatus, Pod
from lateen.apiserver.ages import parse_time
from lateen.apiserver.deps import LogRequest, Objects, ReadLog
from lateen.apiserver.faults import ApiFault
from lateen.apiserver.listing import whole_number
from lateen.apiserver.reading import found
from lateen.apiserver.targets import Target
from lateen.base.clock import Clock
from lateen.base.errors import NotFound

_TRUE = ("true", "1")
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


async def answer_log(
    request: web.Request, target: Target, store: Objects, read_log: ReadLog, clock: Clock
) -> web.StreamResponse:
    """Stream the log; 400 for a container the pod has not, or that has not run yet."""
    pod = found(store, target)
    wanted = _wanted(request, pod, clock)
    chunks = read_log(wanted, lambda: _has_ended(store, pod, wanted.container))
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    try:
        first = await anext(aiter(chunks), b"")
    except NotFound as fault:
        raise ApiFault(400, _why_none(pod, wanted) or str(fault)) from None
    await response.prepare(request)
    await response.write(first)
    async for chunk in chunks:
        await response.write(chunk)
    return response


def _wanted(request: web.Request, pod: Obj, clock: Clock) -> LogRequest:
    query = request.query
    since = whole_number(query, "sinceSeconds")
    seconds = float(since) if since is not None else None
    if text := query.get("sinceTime", ""):
        moment = parse_time(text)
        if moment is None:
            raise ApiFault(400, f"sinceTime: {text[:40]!r} is not a time in RFC 3339's form")
        seconds = max((clock.now() - moment).total_seconds(), 0.001)
    return LogRequest(
        namespace=pod.key.namespace,
        pod=pod.key.name,
        uid=pod.meta.uid,
        container=chosen_container(query.get("container", ""), pod),
        tail_lines=whole_number(query, "tailLines"),
        since_seconds=seconds,
        limit_bytes=whole_number(query, "limitBytes"),
        timestamps=query.get("timestamps") in _TRUE,
        previous=query.get("previous") in _TRUE,
        follow=query.get("follow") in _TRUE,
    )


def chosen_container(asked: str, pod: Obj) -> str:
    """The container meant, the only or default one when none is named; 400 says which there are."""
    names = _containers(pod)
    if asked in _other_containers(pod):
        return asked
    if asked:
        if asked not in names:
            raise ApiFault(400, f"container {asked} is not valid for pod {pod.key.name}")
        return asked
    if (chosen := pod.meta.annotations.get(_DEFAULT_CONTAINER, "")) in names:
        return chosen
    apps = [name for name in names if name != "istio-proxy"] or names
    if len(apps) > 1:
        raise ApiFault(
            400,
            f"a container name must be specified for pod {pod.key.name}, "
            f"choose one of: [{' '.join(names)}]",
        )
    return apps[0]


def _containers(pod: Obj) -> list[str]:
    typed = pod.typed
    assert isinstance(typed, Pod)  # noqa: S101 - only pods have logs
    names = [c.name for c in typed.spec.containers]
    names += [s.name for s in typed.status.container_statuses]
    return list(dict.fromkeys(names))


def _other_containers(pod: Obj) -> list[str]:
    assert isinstance(pod.typed, Pod)  # noqa: S101 - only pods have containers
    spec = pod.typed.spec
    return [c.name for c in (*spec.init_containers, *spec.ephemeral_containers)]


def _statuses(pod: Pod) -> tuple[ContainerStatus, ...]:
    status = pod.status
    return (
        *status.init_container_statuses,
        *status.container_statuses,
        *status.ephemeral_container_statuses,
    )


def _why_none(pod: Obj, wanted: LogRequest) -> str:
    typed = pod.typed
    assert isinstance(typed, Pod)  # noqa: S101 - only pods have logs
    if wanted.previous:
        return ""
    for status in _statuses(typed):
        if status.name == wanted.container and status.state.waiting is not None:
            reason = status.state.waiting.reason or "waiting"
            who = f'container "{status.name}" in pod "{pod.key.name}"'
            return f"{who} is waiting to start: {reason}"
    return ""


def _has_ended(store: Objects, pod: Obj, container: str) -> bool:
    """Whether nothing more will be written: the pod is gone, or the container is not running."""
    now = store.get(pod.key)
    if now is None or now.meta.uid != pod.meta.uid or not isinstance(now.typed, Pod):
        return True
    if now.typed.status.phase in ("Succeeded", "Failed"):
        return True
    found = (s for s in _statuses(now.typed) if s.name == container)
    return any(s.state.terminated is not None for s in found)
