"""Only those backends that some route or listener leads to.

In: RouteTables, Sight.              Out: ServiceBackends.
Before: translate/backends.py        After: translate/gateways.py, translate/outbound.py
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from lateen.base.problem import Problem
from lateen.ir.backends import Backend, BackendId, EndpointSet, Plaintext, Wire
from lateen.ir.plan import Role
from lateen.ir.routes import Forward, RouteTable
from lateen.translate.backends import ServiceBackends, service_backends
from lateen.translate.views import Sight


def backends_in(tables: Iterable[RouteTable]) -> set[BackendId]:
    """The backends that some route leads to, copies included."""
    wanted: set[BackendId] = set()
    for table in tables:
        for host in table.hosts:
            for route in host.routes:
                if isinstance(route.action, Forward):
                    wanted.update(split.backend for split in route.action.splits)
                    wanted.update(mirror.backend for mirror in route.action.mirrors)
    return wanted


def _as_it_is(backend: Backend) -> Backend:
    """The same place for mTLS that others began: nothing is added to it."""
    id = replace(backend.id, as_it_is=True)
    return replace(backend, id=id, wire=Wire.TCP, security=Plaintext(), tunnel=None)


def used_backends(wanted: set[BackendId], sight: Sight, role: Role) -> ServiceBackends:
    """These backends and their endpoints, sorted; one whose service is not there is left out."""
    backends: list[Backend] = []
    endpoints: list[EndpointSet] = []
    problems: list[Problem] = []
    for name in sorted({id.host for id in wanted}):
        service = sight.service(name)
        if service is None:
            continue
        made = sight.index.once(service_backends, sight.client(role), service, sight.rules(service))
        backends.extend(b for b in made.backends if b.id in wanted)
        endpoints.extend(e for e in made.endpoints if e.id in wanted)
        backends.extend(b for b in map(_as_it_is, made.backends) if b.id in wanted)
        unopened = (replace(e, id=replace(e.id, as_it_is=True)) for e in made.endpoints)
        endpoints.extend(e for e in unopened if e.id in wanted)
        problems.extend(made.problems)
    return ServiceBackends(
        backends=tuple(sorted(backends, key=lambda b: b.id)),
        endpoints=tuple(sorted(endpoints, key=lambda e: e.id)),
        problems=tuple(problems),
    )
