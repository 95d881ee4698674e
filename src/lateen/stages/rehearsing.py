"""Play the tests of files through the mesh that their manifests would make.

In: `*.mesh-test.yaml` files.                     Out: Report: what became of each test, coverage.
Before: stages/drafts.py, explain/suite.py        After: cli/trying.py, cli/fixtures.py
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from lateen.api.codes import NOT_CARRIED_OUT, NOT_FOUND
from lateen.api.objects import FieldPlaces, Obj
from lateen.base.errors import LateenError
from lateen.base.origin import Origin, Place
from lateen.base.problem import Level, Problem
from lateen.explain.asking import Ask, ask_of, encoded
from lateen.explain.differing.meshes import Mesh as Whole
from lateen.explain.expecting import differences
from lateen.explain.journey import journey_from, journey_via
from lateen.explain.mesh import Mesh, mesh_of
from lateen.explain.properties.forms import read_properties
from lateen.explain.properties.proving import check_property
from lateen.explain.properties.verdicts import Refuted, Sampled, told
from lateen.explain.steps import Part, Step
from lateen.explain.suite import Case, Suite, read_suites, split_request
from lateen.explain.ways import Journey, hops_of
from lateen.sources.files import TEST_SUFFIXES, shown_path
from lateen.stages.drafts import Draft, draft_from, ingress_of, named_workload

OUTSIDE = "outside"


class Result(Struct, frozen=True, kw_only=True):
    """One test: `differences` is empty if all was as expected; `seconds` it took."""

    file: str
    name: str
    place: Place
    differences: tuple[str, ...]
    seconds: float
    journey: Journey | None = None
    case: Case | None = None


class Rule(Struct, frozen=True, kw_only=True):
    """A rule of a VirtualService or an AuthorizationPolicy, and how many tests met it."""

    origin: Origin
    met: int


class Report(Struct, frozen=True, kw_only=True):
    """All results, what is wrong with the files themselves, and which rules were met."""

    results: tuple[Result, ...]
    problems: tuple[Problem, ...] = ()
    rules: tuple[Rule, ...] = ()
    files: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Result, ...]:
        """The tests in which something was not as expected."""
        return tuple(each for each in self.results if each.differences)

    @property
    def well(self) -> bool:
        """Whether every test was as expected, and every file could be read."""
        return not self.failed and not any(p.level is Level.ERROR for p in self.problems)


@dataclass(kw_only=True)
class Rehearsal:
    """One mesh, asked again and again; the same questions are looked up once."""

    draft: Draft
    _mesh: Mesh = field(init=False)

    def __post_init__(self) -> None:
        _ = self.draft.plans  # all at once: what pods share is worked out once
        self._mesh = mesh_of(self.draft.world, self.draft.plan)

    @cached_property
    def whole(self) -> Whole:
        """The mesh with all its plans."""
        return Whole(world=self.draft.world, plans=self.draft.plans)

    def journey(self, ask: Ask, *, source: str = "", via: str = "", client: str = "") -> Journey:
        """The way of one request; raises NotFound for a workload that is not there."""
        world = self.draft.world
        if source and source != OUTSIDE:
            return journey_from(self._mesh, ask, named_workload(world, source))
        gateway = named_workload(world, via) if via else ingress_of(world)
        return journey_via(self._mesh, ask, gateway, client=client)


def rehearse(paths: Sequence[str], *, only: str = "", mesh: Rehearsal | None = None) -> Report:
    """Play every test under the paths whose name has `only` in it; through `mesh`, if it is given.

    A test that cannot be played fails; a file that cannot be read is told of in `problems`.
    """
    results: list[Result] = []
    problems: list[Problem] = []
    meshes: dict[tuple[tuple[str, ...], str], Rehearsal] = {}
    met: dict[Origin, int] = {}
    rules: dict[Origin, None] = {}
    files = tuple(files_with_tests(paths))
    watched: dict[str, None] = dict.fromkeys(str(file) for file in files)
    if not files:
        problems.append(_none_found(paths))
    for file in files:
        read = read_suites(_text(file), shown_path(file))
        problems += read.problems
        for suite, places in read.suites:
            key = ((), "") if mesh else (manifests_of(suite, file), suite.namespace)
            if mesh and not meshes:
                meshes[key] = mesh
                rules |= dict.fromkeys(rules_in(mesh.draft.objects))
            if key not in meshes:
                draft = draft_from(key[0], namespace=suite.namespace)
                if draft.refused or not draft.files:
                    problems += [p for p in draft.problems if p.level is Level.ERROR]
                meshes[key] = Rehearsal(draft=draft)
                rules |= dict.fromkeys(rules_in(draft.objects))
                watched |= dict.fromkeys(key[0])
            results += _proved(suite, places, meshes[key], only, problems)
            for result in _played(suite, places, meshes[key], only):
                results.append(result)
                for origin in set(_met(result)):
                    met[origin] = met.get(origin, 0) + 1
    counted = _counted(rules, met)
    return Report(
        results=tuple(results),
        problems=tuple(dict.fromkeys(problems)),
        rules=counted,
        files=tuple(shown_path(file) for file in files),
        watched=tuple(watched),
    )


def files_with_tests(paths: Iterable[str]) -> Iterator[Path]:
    """The test files that paths name, and those in folders, by name."""
    for path in map(Path, paths):
        if path.is_dir():
            found = (p for p in path.rglob("*") if p.name.endswith(TEST_SUFFIXES))
            yield from sorted(p for p in found if not _is_hidden(p, path))
        elif path.exists():
            yield path


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def manifests_of(suite: Suite, file: Path) -> tuple[str, ...]:
    """The manifests a suite is about: those it names, or those beside it."""
    return tuple(str(file.parent / each) for each in suite.files) or (str(file.parent),)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise LateenError(f"{file} cannot be read: {fault}") from None


def _none_found(paths: Sequence[str]) -> Problem:
    lacking = [path for path in paths if not Path(path).exists()]
    words = f"no tests (files that end in {TEST_SUFFIXES[0]}) in {', '.join(paths)}"
    if lacking:
        words = f"{', '.join(lacking)}: no such file or directory"
    origin = Origin(place=Place(file=paths[0]) if paths else None)
    return Problem(code=NOT_FOUND, level=Level.ERROR, origin=origin, message=words)


def ask_for(case: Case) -> Ask:
    """The request of a test; raises LateenError."""
    method, url = split_request(case.request)
    jwt = case.token or (encoded(case.claims) if case.claims is not None else "")
    return ask_of(method, url, headers=case.headers.items(), jwt=jwt)


def _played(suite: Suite, places: FieldPlaces, mesh: Rehearsal, only: str) -> Iterator[Result]:
    for number, case in enumerate(suite.tests):
        name = case.name or case.request
        if only not in name:
            continue
        started = time.perf_counter()
        journey, found = _one(suite, case, mesh)
        yield Result(
            file=places.file,
            name=name,
            place=places.of(f"tests[{number}]"),
            differences=found,
            seconds=time.perf_counter() - started,
            journey=journey,
            case=case,
        )


def _proved(
    suite: Suite, places: FieldPlaces, mesh: Rehearsal, only: str, problems: list[Problem]
) -> Iterator[Result]:
    """What becomes of the properties; one that is neither proved nor refuted is told of in `problems`."""
    for number, wanted in enumerate(read_properties(suite.properties)[0]):
        if only not in wanted.name:
            continue
        started = time.perf_counter()
        place = places.of(f"properties[{number}]")
        verdict = check_property(mesh.whole, wanted)
        if isinstance(verdict, Sampled):
            words = f"{wanted.name}: not refuted, but {'; '.join(told(verdict))}"
            origin = Origin(field=f"properties[{number}]", place=place)
            problems.append(
                Problem(code=NOT_CARRIED_OUT, level=Level.WARNING, origin=origin, message=words)
            )
        yield Result(
            file=places.file,
            name=wanted.name,
            place=place,
            differences=told(verdict) if isinstance(verdict, Refuted) else (),
            seconds=time.perf_counter() - started,
        )


def _one(suite: Suite, case: Case, mesh: Rehearsal) -> tuple[Journey | None, tuple[str, ...]]:
    via = case.via or ("" if case.from_ else suite.via)
    source = case.from_ or ("" if via else suite.from_)
    try:
        journey = mesh.journey(ask_for(case), source=source, via=via, client=case.ip)
    except LateenError as fault:
        return None, (str(fault),)
    return journey, differences(case.expect, journey)


def _met(result: Result) -> Iterator[Origin]:
    """The rules that decided about a test's request."""
    for hop in hops_of(result.journey) if result.journey else ():
        yield from (rule for step in hop.steps if (rule := _rule_of(step)))


def _rule_of(step: Step) -> Origin | None:
    if not step.held or step.part not in (Part.RULE, Part.POLICY):
        return None
    origin = step.origin
    if not isinstance(origin, Origin) or origin.key is None:
        return None
    return Origin(key=origin.key, field=_rule_field(origin.field))


def _rule_field(field_path: str) -> str:
    """`spec.http[0].match[1]` as `spec.http[0]`."""
    return field_path.partition("]")[0] + "]" if "[" in field_path else field_path


def rules_in(objects: Iterable[Obj]) -> Iterator[Origin]:
    """Every HTTP rule of VirtualServices and every rule of AuthorizationPolicies, where it stands."""
    lists = {"VirtualService": "http", "AuthorizationPolicy": "rules"}
    for obj in objects:
        name = lists.get(obj.key.kind, "")
        rules = (obj.raw.get("spec") or {}).get(name) or () if name else ()
        for number, _ in enumerate(rules):
            yield obj.origin(f"spec.{name}[{number}]")


def _counted(rules: Iterable[Origin], met: Mapping[Origin, int]) -> tuple[Rule, ...]:
    return tuple(
        Rule(origin=rule, met=met.get(Origin(key=rule.key, field=rule.field), 0)) for rule in rules
    )
