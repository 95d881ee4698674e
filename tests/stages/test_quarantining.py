"""Exactly the objects that Envoy refuses stay out, whatever else changed with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from lateen.base.origin import ObjectKey, Origin, Place
from lateen.base.problem import Level
from lateen.envoy.resources import Resource, Resources, ResourceType, version_of
from lateen.stages.editions import Edition
from lateen.stages.quarantining import Quarantine
from lateen.xds.events import Acked, Connected, Disconnected, Kept, Nacked

ROUTES = ResourceType.ROUTES
WORDS = "Envoy's words"
TABLES = ("80", "8080")
ROUNDS = 60  # more than any search takes


def key(name: str, kind: str = "VirtualService") -> ObjectKey:
    return ObjectKey(group="networking.istio.io", kind=kind, namespace="shop", name=name)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """An object: how often it was edited, and whether Envoy takes it."""

    generation: int = 1
    bad: bool = False
    kind: str = "VirtualService"
    tables: tuple[str, ...] = ("80",)


@dataclass
class Mesh:
    """A control plane that is only its quarantine, and Envoys that only judge."""

    things: dict[str, Thing]
    proxies: tuple[str, ...] = ("web",)
    at_odds: frozenset[str] = frozenset()  # together they are refused, alone they are not
    runs: dict[tuple[str, str], Resource] = field(default_factory=dict)
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    planned: dict[str, Resources] = field(default_factory=dict)
    due: bool = True
    rounds: int = 0

    def __post_init__(self) -> None:
        self.quarantine = Quarantine(changed=self.wake, editions=self.editions)
        for proxy in self.proxies:
            self.quarantine.hear(Connected(proxy=proxy))

    def wake(self) -> None:
        self.due = True

    def editions(self) -> dict[ObjectKey, Edition]:
        return {
            key(name, thing.kind): (name, thing.generation)
            for name, thing in self.things.items()
            if thing.kind != "Service"
        }

    def plan(self) -> None:
        """A round of the control plane."""
        self.due = False
        self.rounds += 1
        out = self.quarantine.keys()
        shown = {n: t for n, t in self.things.items() if key(n, t.kind) not in out}
        routes = {table: self.table(table, shown) for table in TABLES}
        self.planned = {proxy: {ROUTES: routes} for proxy in self.proxies}
        self.quarantine.made(self.planned)

    def table(self, name: str, shown: dict[str, Thing]) -> Resource:
        parts = [(n, t) for n, t in sorted(shown.items()) if name in t.tables]
        body = repr([(n, t.generation, t.bad) for n, t in parts]).encode()
        origins = tuple(key(n, t.kind) for n, t in parts)
        return Resource(name=name, version=version_of(body), body=body, origins=origins)

    def answer(self, proxy: str) -> None:
        """The proxy takes or refuses what it has not seen yet."""
        for name, resource in self.planned[proxy][ROUTES].items():
            have = self.runs.get((proxy, name))
            if have is not None and have.version == resource.version:
                continue
            if self.refused.get((proxy, name)) == resource.version:
                continue
            self.say(proxy, resource)

    def say(self, proxy: str, resource: Resource) -> None:
        names = {origin.name for origin in resource.origins}
        bad = any(self.things[name].bad for name in names if name in self.things)
        if bad or (self.at_odds and self.at_odds <= names):
            self.refused[proxy, resource.name] = resource.version
            self.quarantine.hear(
                Nacked(proxy=proxy, type=ROUTES, resources=(resource,), message=WORDS)
            )
        else:
            self.runs[proxy, resource.name] = resource
            self.refused.pop((proxy, resource.name), None)
            self.quarantine.hear(Acked(proxy=proxy, type=ROUTES, resources=(resource,), removed=()))

    def run(self, order: Callable[[Iterable[str]], Iterable[str]] = sorted) -> None:
        """Plan and answer until nothing is left to do."""
        self.rounds = 0
        while self.due:
            assert self.rounds < ROUNDS, "it comes to an end"
            self.plan()
            for proxy in order(self.proxies):
                self.answer(proxy)

    def edit(self, *names: str, bad: bool = False) -> None:
        for name in names:
            old = self.things.get(name, Thing(generation=0))
            self.things[name] = replace(old, generation=old.generation + 1, bad=bad)
        self.due = True

    def out(self) -> set[str]:
        return {k.name for k in self.quarantine.refused()}

    def live(self, proxy: str = "web", table: str = "80") -> set[str]:
        """The objects in what a proxy runs."""
        return {origin.name for origin in self.runs[proxy, table].origins}


def good(*names: str) -> dict[str, Thing]:
    return {name: Thing() for name in names}


def test_the_one_object_that_changed_is_left_out_at_once() -> None:
    mesh = Mesh(good("a", "b", "c"))
    mesh.run()
    mesh.edit("b", bad=True)
    mesh.run()
    assert mesh.out() == {"b"}
    assert mesh.live() == {"a", "c"}
    assert mesh.rounds == 2, "one that was refused, one without it"


def test_what_changed_in_the_same_edit_goes_live() -> None:
    mesh = Mesh(good("a", "b", "c"))
    mesh.run()
    mesh.edit("a")
    mesh.edit("b", bad=True)
    mesh.run()
    assert mesh.out() == {"b"}
    assert mesh.live() == {"a", "c"}
    assert not mesh.quarantine.undecided


def test_from_the_beginning_one_of_many_is_found() -> None:
    names = {f"{number:02}" for number in range(64)}
    mesh = Mesh({**good(*names), "37": Thing(bad=True)}, proxies=("web", "api"))
    mesh.run()
    assert mesh.out() == {"37"}
    assert mesh.live("api") == mesh.live("web") == names - {"37"}
    assert mesh.rounds <= 2 + 3 * math.log2(64), "halves, not one by one"


def test_an_object_that_is_changed_is_tried_again() -> None:
    mesh = Mesh({**good("a"), "b": Thing(bad=True)})
    mesh.run()
    mesh.edit("b", bad=True)
    mesh.run()
    assert mesh.out() == {"b"}
    mesh.edit("b")
    mesh.run()
    assert mesh.out() == set()
    assert mesh.live() == {"a", "b"}


def test_an_object_that_is_deleted_is_forgotten() -> None:
    mesh = Mesh({**good("a"), "b": Thing(bad=True)})
    mesh.run()
    del mesh.things["b"]
    mesh.due = True
    mesh.run()
    assert mesh.out() == set()
    mesh.things["b"] = Thing(generation=2)
    mesh.due = True
    mesh.run()
    assert mesh.live() == {"a", "b"}


def test_an_ack_that_comes_late_does_not_make_a_newer_edit_good() -> None:
    mesh = Mesh(good("a", "b"))
    mesh.plan()
    first = mesh.planned["web"][ROUTES]["80"]
    mesh.edit("b", bad=True)
    mesh.plan()
    mesh.say("web", structs.replace(first, origins=()))
    mesh.runs["web", "80"] = first
    mesh.run()
    mesh.answer("web")
    mesh.run()
    assert mesh.out() == {"b"}
    assert mesh.rounds == 1, "what was acknowledged, the first a and b, is under no suspicion"


def test_a_refusal_of_what_is_no_longer_wanted_blames_nobody() -> None:
    mesh = Mesh({**good("a"), "b": Thing(bad=True)})
    mesh.plan()
    old = mesh.planned["web"][ROUTES]["80"]
    mesh.edit("b")
    mesh.plan()
    mesh.quarantine.hear(Nacked(proxy="web", type=ROUTES, resources=(old,), message=WORDS))
    assert not mesh.quarantine.undecided
    assert mesh.quarantine.keys() == frozenset()


def test_what_a_proxy_kept_over_a_restart_counts_as_good() -> None:
    mesh = Mesh(good("a", "b", "c"))
    mesh.plan()
    kept = mesh.planned["web"][ROUTES]["80"]
    mesh.runs["web", "80"] = kept
    mesh.quarantine.hear(Kept(proxy="web", type=ROUTES, resources=(kept,)))
    mesh.edit("c", bad=True)
    mesh.run()
    assert mesh.out() == {"c"}
    assert mesh.rounds == 2, "there was nothing to search"


def test_a_new_control_plane_remembers_what_was_refused_and_what_was_good() -> None:
    things = {**good("a", "b", "c"), "b": Thing(bad=True)}
    same = Mesh(things)
    same.quarantine.recall({}, {key("b"): (("b", 1), WORDS)})
    same.run()
    assert same.rounds == 1, "it is never tried"
    assert same.quarantine.refused() == {key("b"): WORDS}
    anew = Mesh(things)
    anew.quarantine.recall({key("a"): ("a", 1), key("c"): ("c", 1)}, {})
    anew.run()
    assert anew.rounds == 2, "only one can be to blame"
    assert anew.out() == {"b"}


def test_a_memory_of_an_older_edit_is_worth_nothing() -> None:
    mesh = Mesh({"b": Thing(generation=2)})
    mesh.quarantine.recall({}, {key("b"): (("b", 1), WORDS)})
    mesh.run()
    assert mesh.live() == {"b"}


def test_a_proxy_that_starts_later_gets_the_good_part_and_raises_no_new_suspicion() -> None:
    mesh = Mesh({**good("a", "b"), "c": Thing(bad=True)})
    mesh.run()
    mesh.proxies = ("web", "late")
    mesh.quarantine.hear(Connected(proxy="late"))
    mesh.due = True
    mesh.run()
    assert mesh.live("late") == {"a", "b"}
    assert mesh.rounds == 1


def test_a_proxy_that_starts_in_the_middle_of_a_search_does_not_start_it_over() -> None:
    mesh = Mesh({**good(*"abcdefgh"), "c": Thing(bad=True)})
    mesh.plan()
    mesh.answer("web")
    mesh.plan()
    mesh.answer("web")
    mesh.plan()
    mesh.proxies = ("late", "web")
    mesh.quarantine.hear(Connected(proxy="late"))
    mesh.due = True
    mesh.run()
    assert mesh.out() == {"c"}
    assert mesh.live("late") == mesh.live("web") == set("abdefgh")


def test_a_proxy_that_goes_away_holds_up_no_trial() -> None:
    mesh = Mesh({**good(*"abcd"), "c": Thing(bad=True)}, proxies=("gone", "web"))
    mesh.plan()
    mesh.answer("gone")
    mesh.answer("web")
    mesh.quarantine.hear(Disconnected(proxy="gone"))
    mesh.run(order=lambda proxies: [p for p in proxies if p != "gone"])
    assert mesh.out() == {"c"}
    assert mesh.live() == {"a", "b", "d"}


def test_only_settings_are_blamed_and_another_cause_is_named_as_such() -> None:
    mesh = Mesh({**good("a", "b"), "cert": Thing(kind="Service")})
    mesh.run()
    mesh.edit("cert", bad=True)
    mesh.run()
    mesh.run()
    assert mesh.out() == set()
    assert mesh.quarantine.keys() == frozenset(), "the innocent are back"
    (problem,) = mesh.quarantine.problems(lambda k: Origin(key=k))
    assert problem.origin.key == key("cert", "Service")
    assert WORDS in problem.message
    mesh.edit("cert")
    mesh.run()
    assert mesh.quarantine.problems(lambda k: Origin(key=k)) == ()


def test_of_two_that_are_only_refused_together_one_stays() -> None:
    mesh = Mesh(good("a", "b", "c"), at_odds=frozenset({"a", "c"}))
    mesh.run()
    assert len(mesh.out()) == 1
    assert mesh.out() < {"a", "c"}
    assert mesh.live() == {"a", "b", "c"} - mesh.out()


def test_the_problem_names_the_object_with_its_line_and_envoys_words() -> None:
    mesh = Mesh({**good("a"), "b": Thing(bad=True)})
    mesh.run()
    place = Place(file="vs.yaml", line=7, column=1)
    (problem,) = mesh.quarantine.problems(lambda k: Origin(key=k, place=place))
    assert (problem.code, problem.level) == ("LAT0100", Level.ERROR)
    assert str(problem).startswith("vs.yaml:7:1: error LAT0100 VirtualService shop/b: ")
    assert problem.message.endswith(f"80: {WORDS}")


THINGS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.builds(
        Thing,
        bad=st.booleans(),
        tables=st.sampled_from([("80",), ("8080",), ("80", "8080")]),
    ),
    min_size=1,
)


@given(
    before=THINGS,
    after=THINGS,
    proxies=st.sampled_from([("web",), ("api", "web"), ("api", "job", "web")]),
    backwards=st.booleans(),
)
def test_whatever_is_edited_just_the_bad_ones_stay_out_and_all_others_live(
    before: dict[str, Thing], after: dict[str, Thing], proxies: tuple[str, ...], backwards: bool
) -> None:
    mesh = Mesh(dict(before), proxies=proxies)
    order = (lambda p: sorted(p, reverse=True)) if backwards else sorted
    mesh.run(order)
    mesh.things = {name: replace(thing, generation=2) for name, thing in after.items()}
    mesh.due = True
    mesh.run(order)
    assert mesh.out() == {name for name, thing in after.items() if thing.bad}
    for proxy in proxies:
        for table in TABLES:
            wanted = {n for n, t in after.items() if table in t.tables and not t.bad}
            assert mesh.live(proxy, table) == wanted
