"""Answer what the API, the command line and the console ask about the mesh.

In: store, ledger, builds, problems, plans.    Out: plain JSON data, logs, Envoy's own dumps.
Before: app/control.py      After: apiserver/deps.py
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lateen.api.objects import Obj
from lateen.app.certifying import Certifying
from lateen.app.doors import addresses, closed_doors, door_problems, refused_problems
from lateen.app.news import News
from lateen.app.refusals import hops, is_request_id
from lateen.app.seen import LOOK_EVERY, Seen
from lateen.app.settings import Settings
from lateen.app.status import phase_of, pod_json
from lateen.base import layout
from lateen.base.clock import Clock
from lateen.base.errors import NotFound
from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level, Problem
from lateen.envoy.names import BORDER_NODE
from lateen.envoy.resources import Resource
from lateen.ir.plan import Proxy, ProxyPlan, Role
from lateen.stages.building import Building
from lateen.stages.planning import Planning
from lateen.stages.quarantining import Quarantine
from lateen.stages.resolving import slot_of
from lateen.stages.sourcing import Sourcing
from lateen.store.interface import Store
from lateen.telemetry.admin import ask_admin
from lateen.translate.scope import chosen_for
from lateen.xds.ledger import Ledger, ProxyState

BUG = "LAT9999"


@dataclass(kw_only=True)
class Reporting:
    """What is known, put together when it is asked for."""

    settings: Callable[[], Settings]
    clock: Clock
    store: Store
    ledger: Ledger
    building: Building
    planning: Planning
    quarantine: Quarantine
    sourcing: Sourcing
    news: News
    certifying: Certifying
    console: str = ""
    seen: Seen = field(default_factory=Seen)
    fault: str = ""  # why the newest objects could not be carried out, a bug of ours

    def status(self) -> dict[str, Any]:
        """Pods, addresses, problems; see app/status.py for the rows."""
        settings, now = self.settings(), self.clock.now()
        proxies = self._proxy_words()
        pods = [
            pod_json(
                obj,
                now=now,
                proxy=proxies.get((obj.key.namespace, obj.key.name), ""),
                building=self.building.progress,
            )
            for obj in self.store.list(group="", kind="Pod")
        ]
        doors = addresses(self.planning.latest, self.closed_doors(), settings.ports)
        return {
            "name": settings.name,
            "phase": phase_of(
                pods,
                applied=self.sourcing.applied and self._complete(),
                sound=not (self.fault or self.quarantine.unexplained),
            ),
            "pods": pods,
            "urls": doors,
            "gateways": doors,
            "ports": {str(gateway): host for gateway, host in settings.ports.items()},
            "nodes": list(settings.nodes),
            "console": self.console,
            **_observer_addresses(settings),
            "kubeconfig": str(settings.run_dir / "kubeconfig"),
            "refused": self.refused(),
            "news": self.news.items(),
            "outputs": self.building.outputs(),
            **self.problems(),
        }

    def refused(self) -> list[str]:
        """The objects that are not carried out as they are now: ill-formed, or refused by Envoy."""
        return sorted(str(key) for key in {*self.sourcing.refused, *self.quarantine.refused()})

    def _complete(self) -> bool:
        """Whether every workload has its pods, every proxy its resources, every refusal a cause.

        Or there is no use in waiting: a bug of ours keeps it from becoming so.
        """
        if self.fault:
            return True
        for obj in self.store.list(group="apps", kind="Deployment"):
            status = obj.raw.get("status") or {}
            wanted = (obj.raw.get("spec") or {}).get("replicas", 1)
            if status.get("observedGeneration", 0) < obj.meta.generation:
                return False
            if status.get("updatedReplicas", 0) < wanted:
                return False
        planned = self.planning.latest
        if planned is None or self.quarantine.undecided:
            return False
        states = {state.proxy: state for state in self.ledger.states()}
        return all(node not in states or self._settled(states[node]) for node in planned.plans)

    def _settled(self, state: ProxyState) -> bool:
        """Whether nothing more is to be expected of a proxy now."""
        if state.connected_since is None or state.programmed:
            return True
        return bool(state.refusals) and self.quarantine.unexplained

    def problems(self) -> dict[str, Any]:
        """Everything wrong now, errors first, each once."""
        planned = self.planning.latest
        found: dict[Problem, None] = dict.fromkeys(self.sourcing.problems)
        found.update(dict.fromkeys(self.building.problems()))
        found.update(dict.fromkeys(planned.problems if planned else ()))
        found.update(dict.fromkeys(self.quarantine.problems(self.origin_of)))
        found.update(
            dict.fromkeys(door_problems(self.closed_doors(), self.settings().ports, planned))
        )
        found.update(dict.fromkeys(refused_problems(planned)))
        found.update(dict.fromkeys(self.certifying.problems()))
        if self.fault:
            words = f"a bug in lateen ({self.fault}): what was served before is served on; see control.log"
            found[Problem(code=BUG, level=Level.ERROR, origin=Origin(), message=words)] = None
        levels = list(Level)
        ordered = sorted(found, key=lambda p: (levels.index(p.level), str(p)))
        since = self.seen.note(ordered, self.clock.now().timestamp())
        return {"problems": [{**p.record(), "since": since[p]} for p in ordered]}

    async def noting(self) -> None:
        """Look at the problems every few seconds, so that it is known since when each is there."""
        while True:
            self.problems()
            await self.clock.sleep(LOOK_EVERY)

    async def decisions(self, id: str) -> dict[str, Any]:
        """Who let a request in or refused it, or ("") what was refused lately; see app/refusals.py."""
        if id and not is_request_id(id):
            raise ValueError(id)
        logs = self.settings().state_dir / "logs" / "pods"
        return {"hops": await asyncio.to_thread(hops, logs, id, tuple(self._plans()))}

    def proxies(self) -> dict[str, Any]:
        """Each proxy: what it has, what it refused, how long its certificate lives."""
        return {"proxies": [self._proxy_row(plan) for plan in self._plans()]}

    def _plans(self) -> Iterable[ProxyPlan]:
        planned = self.planning.latest
        return planned.plans.values() if planned else ()

    def _proxy_row(self, plan: ProxyPlan) -> dict[str, Any]:
        proxy = plan.proxy
        state = self.ledger.state(proxy.id)
        types = state.types if state else ()
        planned = self.planning.latest
        resources = planned.resources.get(proxy.id, {}) if planned else {}
        return {
            "namespace": proxy.namespace,
            "pod": proxy.pod,
            "id": proxy.id,
            "role": proxy.role.value,
            "identity": proxy.identity,
            "state": _word(state),
            "types": {t.type.short: t.wanted for t in types},
            "versions": {t.type.short: t.version for t in types},
            "ackedAt": {t.type.short: t.acked_at for t in types},
            "kept": sum(t.kept for t in types),
            "sent": {t.type.short: t.sent for t in types},
            "bytes": sum(len(r.body) for some in resources.values() for r in some.values()),
            "scope": self._scope(proxy),
            "size": {type_.short: _size(some) for type_, some in resources.items()},
            "since": state.connected_since if state else None,
            "certificateSeconds": self.certifying.seconds_of(proxy.id),
            "refused": [
                {"type": r.type.short, "names": r.name, "message": r.message, "at": r.at}
                for r in (state.refusals if state else ())
            ],
        }

    def _scope(self, proxy: Proxy) -> str:
        """What bounds the hosts a sidecar is told of; "" for all of the mesh."""
        world = self.planning.latest.world if self.planning.latest else None
        workload = world.workloads.get((proxy.namespace, proxy.pod)) if world else None
        if world is None or workload is None or proxy.role is Role.GATEWAY:
            return ""
        origin = chosen_for(world, workload).origin
        return str(origin) if origin else ""

    def _proxy_words(self) -> dict[tuple[str, str], str]:
        return {
            (plan.proxy.namespace, plan.proxy.pod): _word(self.ledger.state(plan.proxy.id))
            for plan in self._plans()
        }

    def closed_doors(self) -> dict[int, str]:
        """The ports of the host that the border could not open, and why."""
        return closed_doors(self.ledger.state(BORDER_NODE))

    def origin_of(self, key: ObjectKey) -> Origin:
        """Where the object was written; its name alone if it is nowhere."""
        obj = self.store.get(key)
        return obj.origin() if obj else Origin(key=key)

    async def config_dump(self, namespace: str, pod: str) -> Any:
        """What the pod's Envoy says it runs, over its admin socket."""
        text = await ask_admin(self._admin_of(namespace, pod), "/config_dump?include_eds")
        return json.loads(text)

    def _admin_of(self, namespace: str, pod: str) -> Path:
        for obj in self.store.list(group="", kind="Pod", namespace=namespace):
            if obj.key.name == pod:
                socket = self._socket_of(obj)
                if socket.exists():
                    return socket
        raise NotFound(f"no proxy of pod {namespace}/{pod}")

    def admin_sockets(self) -> dict[tuple[str, str], Path]:
        """The admin socket of each proxy that has one now, by namespace and pod."""
        pods = self.store.list(group="", kind="Pod")
        sockets = {(o.key.namespace, o.key.name): self._socket_of(o) for o in pods}
        return {who: socket for who, socket in sockets.items() if socket.exists()}

    def _socket_of(self, obj: Obj) -> Path:
        return layout.admin_socket(self.settings().run_dir, slot_of(obj.meta.uid))


def _observer_addresses(settings: Settings) -> dict[str, str]:
    """`prometheus` and the like, as the observer wrote them; nothing while it starts."""
    try:
        told = json.loads(layout.observe_addresses(settings.run_dir).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(address) for name, address in told.items()}


def _size(resources: Mapping[str, Resource]) -> dict[str, int]:
    return {"resources": len(resources), "bytes": sum(len(r.body) for r in resources.values())}


def _word(state: ProxyState | None) -> str:
    """`programmed`, or what keeps a proxy from it."""
    if state is None or state.connected_since is None:
        return "connecting" if state is None or not _ever(state) else "disconnected"
    if state.refusals:
        return "refused"
    return "programmed" if state.programmed else "syncing"


def _ever(state: ProxyState) -> bool:
    return any(t.acked for t in state.types)
