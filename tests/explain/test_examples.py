"""Every rule of the example apps is reached by some request, and explained with its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lateen.api.decode import decode_tree
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey, Origin
from lateen.base.problem import Level
from lateen.check.analysis import analyze
from lateen.cluster.pretending import pretend
from lateen.explain.asking import Ask
from lateen.explain.journey import journey_from, journey_via
from lateen.explain.mesh import Mesh, mesh_of
from lateen.explain.steps import Part, Step
from lateen.explain.ways import Journey, hops_of
from lateen.ir.match import Exact, Prefix, Present, Regex, RequestMatch, StringMatch, Suffix
from lateen.ir.plan import ProxyPlan, Role
from lateen.ir.routes import VirtualHost
from lateen.sources.files import read_paths
from lateen.stages.drafts import Draft, draft_as_is
from lateen.world.model import Workload
from tests.documents.assumed import EXAMPLES, FOLDERS, assumed

POLYGLOT = EXAMPLES / "polyglot"
# What these stand for is long enough in the patterns of the examples.
PATTERNS = {".*Mobile.*": "a Mobile one"}
RULES = ("VirtualService", "AuthorizationPolicy")
Rule = tuple[ObjectKey, str]  # an object and a field of it


def files() -> Iterator[tuple[str, Path]]:
    yield "polyglot", POLYGLOT
    for source, folder in FOLDERS.items():
        for path in sorted(folder.glob("*.yaml")):
            if any(f"kind: {kind}" in path.read_text("utf-8") for kind in RULES):
                yield source, path


def draft_with(source: str, path: Path) -> tuple[Draft, tuple[Obj, ...]]:
    """The mesh of a file and what it takes for granted, and the rules of the file that are sound."""
    own = read_paths([str(path)]).objects
    beside = () if source == "polyglot" else assumed(source)
    keys = {obj.key for obj in own}
    every = (*own, *(obj for obj in beside if obj.key not in keys))
    every = (*every, *services_for(every))
    return draft_as_is(pretend(every).objects), tuple(o for o in own if o.key.kind in RULES)


def services_for(objects: Iterable[Obj]) -> Iterator[Obj]:
    """A Service before every Deployment, as the documents show some policies without one."""
    for obj in objects:
        if obj.key.kind == "Deployment":
            selector = obj.raw["spec"]["selector"]["matchLabels"]
            name = "-".join(("any", *selector.values()))
            tree = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": obj.key.namespace},
                "spec": {"selector": selector, "ports": [{"name": "http", "port": 80}]},
            }
            yield decode_tree(tree, places=None).objects[0]


def rules_of(objects: Iterable[Obj]) -> Iterator[Rule]:
    """The HTTP rules of VirtualServices and the rules of AuthorizationPolicies."""
    for obj in objects:
        spec = obj.raw.get("spec") or {}
        name = "http" if obj.key.kind == "VirtualService" else "rules"
        for number, _ in enumerate(spec.get(name) or ()):
            yield obj.key, f"spec.{name}[{number}]"


def sample(match: StringMatch | None, otherwise: str) -> str:
    match match:
        case Exact(text) | Prefix(text) | Suffix(text):
            return text
        case Regex(text):
            return PATTERNS.get(text, text)
        case Present() | None:
            return otherwise
    raise AssertionError(match)


def ask_for(match: RequestMatch, host: str, port: int) -> Ask:
    """A request that a rule is for."""
    path = sample(match.path, "/")
    return Ask(
        method=sample(match.method, "GET"),
        host=host,
        port=port,
        path=path if path.startswith("/") else f"/{path}",
        authority=host,
        headers=tuple((h.name, sample(h.match, "x")) for h in match.headers if not h.invert),
    )


def hosts_in(plan: ProxyPlan) -> Iterator[tuple[int, VirtualHost]]:
    ports = {port.http.table: port.port for port in plan.gateway if port.http}
    for table in plan.tables:
        number = ports.get(table.name, int(table.name) if table.name.isdigit() else 0)
        yield from ((number, host) for host in table.hosts if number)


def journeys(mesh: Mesh, sender: Workload, plan: ProxyPlan) -> Iterator[Journey]:
    """A request for every rule that a proxy has."""
    for port, host in hosts_in(plan):
        name = host.domains[0].replace("*", "x")
        for route in host.routes:
            ask = ask_for(route.match, name, port)
            if plan.proxy.role is Role.GATEWAY:
                yield journey_via(mesh, ask, sender)
            else:
                yield journey_from(mesh, ask, sender)


def reached(draft: Draft) -> Iterator[Step]:
    """Every step of a request for every rule of every proxy: those taken, and policies looked at."""
    mesh = mesh_of(draft.world, draft.plan)
    for key, plan in draft.plans.items():
        for journey in journeys(mesh, draft.world.workloads[key], plan):
            for hop in hops_of(journey):
                yield from hop.steps


def place_of(step: Step, rule: Rule) -> str:
    """Where a step says the rule stands, "" if it is about another."""
    key, field = rule
    origin = step.origin
    if not isinstance(origin, Origin) or origin.key != key or origin.place is None:
        return ""
    inside = origin.field == field or origin.field.startswith((f"{field}.", f"{field}["))
    counts = step.held if step.part is Part.RULE else step.part is Part.POLICY
    return str(origin.place) if inside and counts else ""


@pytest.mark.parametrize(("source", "path"), list(files()), ids=lambda v: getattr(v, "stem", v))
def test_every_rule_is_reached_and_named(source: str, path: Path) -> None:
    draft, objects = draft_with(source, path)
    rules = set(rules_of(objects))
    steps = list(reached(draft))
    for rule in rules:
        places = {place_of(step, rule) for step in steps} - {""}
        assert places, f"no request is explained by {rule[0]} {rule[1]}"
        assert all(".yaml:" in place for place in places)


def test_analyze_has_nothing_against_the_polyglot_example() -> None:
    read = read_paths([str(POLYGLOT)])
    found = analyze(read.decoded)
    assert [str(problem) for problem in found if problem.level is not Level.INFO] == []
