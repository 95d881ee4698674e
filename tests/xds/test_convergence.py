"""Whatever order things happen in, a proxy ends with the newest snapshot and never routes early."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lateen.envoy.resources import Resource, ResourceType
from lateen.xds.messages import DeltaRequest, DeltaResponse, NoSecrets
from lateen.xds.stream import Output, Stream
from tests.xds.talk import CDS, EDS, LDS, RDS, resource

CLUSTERS = ("a", "b", "c")
TABLES = ("80", "81")
_some = st.dictionaries(st.sampled_from(CLUSTERS), st.sampled_from("12"), max_size=3)
# A table's content is the cluster it leads to; it is only ever made for a cluster that is there.
_tables = st.dictionaries(st.sampled_from(TABLES), st.integers(0, 2), max_size=2)


def bad(resource: Resource) -> bool:
    """What the pretended Envoy refuses."""
    return resource.body.startswith(b"bad")


class Proxy(RuleBasedStateMachine):
    """A pretended Envoy that answers late, refuses now and then, and reconnects."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[ResourceType, dict[str, Resource]] = {t: {} for t in ResourceType}
        self.names: dict[ResourceType, set[str]] = {EDS: set(), RDS: set()}
        self.target: dict[ResourceType, dict[str, Resource]] = {}
        self.connect()

    def connect(self) -> None:
        self.stream = Stream("web", NoSecrets())
        self.queue: list[DeltaResponse] = []
        self.timed_out = False
        for type_ in (CDS, EDS, LDS, RDS):
            versions = {name: r.version for name, r in self.held[type_].items()}
            names = tuple(sorted(self.names.get(type_, ())))
            if type_ in (CDS, LDS) or names:
                self.says(DeltaRequest(type=type_, subscribe=names, initial_versions=versions))

    def says(self, request: DeltaRequest) -> None:
        self.hears(self.stream.on_request(request))

    def hears(self, output: Output) -> None:
        for response in output.responses:
            if response.type is RDS and not self.timed_out:
                self.check_routes(response)
            self.queue.append(response)

    def check_routes(self, response: DeltaResponse) -> None:
        """No route to a cluster that has not been applied, unless that was waited for."""
        for table in response.resources:
            to = table.body.decode().split()[-1]
            assert to in self.held[CDS], f"{table.name} leads to {to}, which is not there"

    @initialize()
    def begin(self) -> None:
        self.put({}, {}, spoilt=False)

    @rule(clusters=_some, tables=_tables, spoilt=st.booleans())
    def put(self, clusters: dict[str, str], tables: dict[str, int], spoilt: bool) -> None:
        routes = {}
        for name, number in tables.items():
            if clusters:
                to = sorted(clusters)[number % len(clusters)]
                routes[name] = resource(name, f"{'bad' if spoilt else 'good'} {to}")
        self.target = {
            CDS: {n: resource(n, c) for n, c in clusters.items()},
            EDS: {n: resource(n, c) for n, c in clusters.items()},
            LDS: {f"in-{n}": resource(f"in-{n}") for n in routes},
            RDS: routes,
        }
        self.hears(self.stream.on_snapshot(self.target))

    @rule()
    def answers(self) -> None:
        if self.queue:
            self.answer(self.queue.pop(0))

    @rule(clusters=_some, tables=_tables, spoilt=st.booleans())
    def rolls_out(self, clusters: dict[str, str], tables: dict[str, int], spoilt: bool) -> None:
        self.put(clusters, tables, spoilt)
        self.answers_all()

    def answers_all(self) -> None:
        while self.queue:
            self.answers()

    def answer(self, response: DeltaResponse) -> None:
        mine = self.held[response.type]
        error = None
        for given_ in response.resources:
            if bad(given_):
                error = "no"
            else:
                mine[given_.name] = given_
        for name in response.removed:
            mine.pop(name, None)
        if response.type in (CDS, LDS):
            self.follow(CDS, EDS, "")
            self.follow(LDS, RDS, "in-")
        self.says(DeltaRequest(type=response.type, nonce=response.nonce, error=error))

    def follow(self, parent: ResourceType, child: ResourceType, prefix: str) -> None:
        """Ask for what new parents need, give up what no parent needs."""
        want = {name.removeprefix(prefix) for name in self.held[parent]}
        more, less = want - self.names[child], self.names[child] - want
        if more or less:
            self.names[child] = want
            for name in less:
                self.held[child].pop(name, None)
            more_, less_ = tuple(sorted(more)), tuple(sorted(less))
            self.says(DeltaRequest(type=child, subscribe=more_, unsubscribe=less_))

    @rule()
    def waits_long(self) -> None:
        if self.stream.timer is not None:
            self.timed_out = True
            self.hears(self.stream.on_timeout(self.stream.timer.number))

    @rule()
    def reconnects(self) -> None:
        self.connect()
        self.hears(self.stream.on_snapshot(self.target))

    @invariant()
    def routes_in_use_lead_somewhere(self) -> None:
        if not self.timed_out:
            for table in self.held[RDS].values():
                assert table.body.decode().split()[-1] in self.held[CDS]

    def teardown(self) -> None:
        """In the end all that is good is there, and nothing else."""
        for _ in range(100):
            if self.queue:
                self.answers()
            elif self.stream.timer is not None:
                self.waits_long()
            else:
                break
        refused = any(bad(r) for r in self.target.get(RDS, {}).values())
        for type_, wanted in self.target.items():
            good = {name: r for name, r in wanted.items() if not bad(r)}
            assert good.items() <= self.held[type_].items()
            if not refused:
                assert self.held[type_] == good


TestConvergence = Proxy.TestCase
TestConvergence.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
