"""Say how the proxy of a pod is to be started.

In: a pod, the newest plan.    Out: ProxyRun with its bootstrap, made once for each pod, or Waiting.
Before: stages/planning.py     After: envoy/bootstrap.py, stages/running.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from lateen.api.meshconfig import MeshConfig
from lateen.api.objects import Obj
from lateen.base import layout
from lateen.envoy.bootstrap import Figures, Wishes, emit_bootstrap
from lateen.envoy.patching_bootstrap import patched_bootstrap
from lateen.ir.plan import Proxy
from lateen.node.protocol import ProxyRun
from lateen.stages.planning import Planned
from lateen.stages.resolving import Waiting, slot_of
from lateen.telemetry.annotated import wants_scraping
from lateen.translate.proxyconfigs import ProxyStart, proxy_start
from lateen.world.model import Injection, World

_MERGE = "prometheus.istio.io/merge-metrics"
PLANNED_SOON = Waiting(reason="ContainerCreating", message="its proxy is being planned")


def merges(mesh: MeshConfig, obj: Obj) -> bool:
    """Whether a pod's page of figures has its app's beside its proxy's; the pod's own word comes first."""
    said = obj.meta.annotations.get(_MERGE)
    return mesh.enable_prometheus_merge is not False if said is None else said != "false"


@dataclass(kw_only=True)
class Bootstraps:
    """The bootstraps made so far, by the pod's uid; `mint` makes the token of a node id."""

    run_dir: Path
    mint: Callable[[str], str]
    _made: dict[str, tuple[Proxy, ProxyRun]] = field(default_factory=dict)

    def proxy_run(self, obj: Obj, planned: Planned | None) -> ProxyRun | Waiting | None:
        """How to start the pod's proxy; None if it has none, Waiting until it is planned.

        A node that is said to be elsewhere starts no proxy anew: a plan knows the new place at once.
        """
        where = obj.key.namespace, obj.key.name
        workload = planned.world.workloads.get(where) if planned else None
        if planned is None or workload is None or not workload.address:
            return PLANNED_SOON
        if workload.injection is Injection.NONE:
            return None
        proxy = planned.proxy_of(*where)
        if proxy is None:
            return PLANNED_SOON
        made = self._made.get(obj.meta.uid)
        if made is None or replace(made[0], locality=proxy.locality) != proxy:
            start = proxy_start(planned.world, workload)
            bootstrap = self._bootstrap(proxy, obj, start, merges(planned.world.mesh, obj))
            run = ProxyRun(
                bootstrap=patched_bootstrap(bootstrap, planned.plans[proxy.id].patches),
                concurrency=start.concurrency,
                env=start.env,
                drain_seconds=start.drain,
                last_seconds=start.last,
                intercept=workload.injection is Injection.SIDECAR,
                interception=workload.interception,
            )
            made = self._made[obj.meta.uid] = (proxy, run)
        return made[1]

    def keep_only(self, world: World) -> None:
        """Forget pods that are gone."""
        for gone in self._made.keys() - {w.uid for w in world.workloads.values()}:
            del self._made[gone]

    def _bootstrap(self, proxy: Proxy, obj: Obj, start: ProxyStart, merged: bool) -> str:
        slot = slot_of(obj.meta.uid)
        port, path = wants_scraping(obj.meta.annotations) or (0, "")
        return emit_bootstrap(
            proxy=proxy,
            token=self.mint(proxy.id),
            xds_socket=str(layout.xds_socket(self.run_dir)),
            admin_socket=str(layout.admin_socket(self.run_dir, slot)),
            border_socket=str(layout.exit_socket(self.run_dir, slot)),
            otlp_socket=str(layout.spans_socket(self.run_dir)),
            figures=Figures(
                socket=str(layout.metrics_socket(self.run_dir)),
                app_socket=str(layout.app_metrics_socket(self.run_dir, slot)),
                app_port=port,
                app_path=path,
                merged=merged,
            ),
            wishes=Wishes(metadata=dict(start.metadata), runtime=dict(start.runtime)),
        )
