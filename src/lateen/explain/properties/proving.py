"""Prove a property for all requests, or find the simplest request that breaks it.

In: Mesh, Property.                                   Out: Proved, Refuted or Sampled.
Before: properties/forms.py, properties/ways.py       After: cli/testing.py

A request arrives if its sender's proxy routes it to the workload and that one's proxy lets it in; the ways by which it
may go are looked at one by one, each over all requests (symbolic/). What is found is walked once more, by `walk_ir`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from lateen.api.interception import EVERYTHING
from lateen.explain.differing.inward import Door, door_of
from lateen.explain.differing.meshes import Mesh, Party
from lateen.explain.differing.outward import authority_for
from lateen.explain.differing.parting import parted
from lateen.explain.ir_match import matches
from lateen.explain.properties.forms import Property, pattern
from lateen.explain.properties.trying import SOMEWHERE, Trials, let_in
from lateen.explain.properties.verdicts import (
    OUTSIDE,
    Proved,
    Refuted,
    Sampled,
    Verdict,
    simplicity,
)
from lateen.explain.properties.ways import Arrival, Senders, Stream, Table, hosts_of, onward
from lateen.explain.request import Forwarded, Request, Way
from lateen.explain.symbolic.diagrams import Node
from lateen.explain.symbolic.hops import Hop
from lateen.explain.symbolic.judging import all_hold, one_holds
from lateen.explain.walk_ir import walk_ir
from lateen.ir.routes import Elsewhere, Forward, Route, VirtualHost


def check_property(mesh: Mesh, wanted: Property) -> Verdict:
    """Whether a property holds in a mesh, for all requests."""
    return _Check(parted(mesh), wanted).verdict()


class _Check:
    def __init__(self, mesh: Mesh, wanted: Property) -> None:
        self.mesh = mesh
        self.wanted = wanted
        self.trials = Trials(mesh, wanted)

    def verdict(self) -> Verdict:
        found = min(self._found(), key=simplicity, default=None)
        if found is not None:
            return found
        if self.trials.doubts:
            return Sampled(classes=self.trials.classes, doubts=tuple(self.trials.doubts))
        return Proved(classes=self.trials.classes)

    def _found(self) -> Iterator[Refuted]:
        senders = self.trials.ways.senders(self._sources())
        for group in senders:
            for party in group.parties:
                if party.plan and party.plan.patches:
                    said = f"EnvoyFilters of {party.name} are not followed"
                    self.trials.doubts[said] = None
        for party in self.mesh.parties.values():
            if party.pod.interception != EVERYTHING:
                said = f"what goes past the proxy of {party.name} is not followed"
                self.trials.doubts[said] = None
        for group in senders:
            if self.wanted.always:
                yield from self._kept_back(group)
            elif self.wanted.targets.outside:
                yield from self._leaving(group)
            else:
                yield from self._routed(group)
                yield from self._straight(group)

    def _sources(self) -> list[Party]:
        wanted = self.wanted.sources
        return [
            party
            for party in self.mesh.parties.values()
            if wanted.has(party.workload) and wanted.outside in (None, party.is_gateway)
        ]

    # Requests that must not arrive, by way of routes.

    def _routed(self, senders: Senders) -> Iterator[Refuted]:
        for table in senders.tables:
            for name, host in hosts_of(table):
                legs = [
                    (number, arrival, onward(route, split, senders.hop))
                    for number, route in enumerate(host.routes)
                    if isinstance(route.action, Forward)
                    for split in route.action.splits
                    if split.weight
                    for arrival in self.trials.ways.arrivals(senders, split.backend)
                    if self._is_target(arrival.party, arrival.port)
                ]
                if legs and self.trials.host_asked(name):
                    yield from self._by_host(senders, table, (name, host), legs)

    def _by_host(
        self,
        senders: Senders,
        table: Table,
        named: tuple[str, VirtualHost],
        legs: Sequence[tuple[int, Arrival, Hop]],
    ) -> Iterator[Refuted]:
        doors = [door_of(arrival.party.plan, arrival.port) for _, arrival, _ in legs]
        hops = [
            self.trials.arriving(senders, arrival, hop, door)
            for (_, arrival, hop), door in zip(legs, doors, strict=True)
        ]
        tried = self.trials.tried(senders, table, named, list(zip(doors, hops, strict=True)))
        taken, passed = self.trials.sent(tried)
        for (number, arrival, _), door, hop in zip(legs, doors, hops, strict=True):
            space = tried.space
            here = space.diagrams.join(lambda n, number=number: n == number, taken)
            arrives = all_hold(
                space,
                [
                    self.trials.asks(space, hop),
                    let_in(space, door, hop),
                    self.trials.let_by(space, senders, arrival),
                    passed,
                    here,
                    space.possible,
                ],
            )
            yield from self.trials.refuted(tried, arrives, arrival, hop)

    # Requests that must not arrive, by the pod's own address, or as raw bytes.

    def _straight(self, senders: Senders) -> Iterator[Refuted]:
        streams = [
            (stream, arrival)
            for stream in senders.streams()
            for split in stream.to
            if split.weight
            for arrival in self.trials.ways.arrivals(senders, split.backend)
            if self._is_target(arrival.party, arrival.port)
        ]
        for stream, arrival in streams:
            door = door_of(arrival.party.plan, arrival.port)
            if not (door.http and stream.opaque):
                yield from self._raw(senders, arrival, door, stream)
        if senders.gateway or (senders.plan and not senders.plan.allow_any):
            return
        for party in self.mesh.parties.values():
            for port in _ports(party, self.wanted.asked.ports):
                if self._is_target(party, port):
                    arrival = Arrival(party=party, port=port, mtls=False)
                    straight = Stream(port=port, name=party.pod.address, to=())
                    yield from self._raw(senders, arrival, door_of(party.plan, port), straight)

    def _raw(
        self, senders: Senders, arrival: Arrival, door: Door, stream: Stream
    ) -> Iterator[Refuted]:
        """What arrives as it was sent."""
        if not self.trials.host_asked(stream.name):
            return
        hop = self.trials.arriving(senders, arrival, Hop(), door)
        name = f"{authority_for(stream.name)}:{stream.port}"
        shown = stream.name if stream.tls and senders.gateway else ""
        tried = self.trials.tried(senders, None, (name, None), [(door, hop)], shown)
        address = "" if senders.gateway else stream.name
        space = dataclasses.replace(tried.space, port=stream.port, address=address, tls=stream.tls)
        tried = replace(tried, space=space)
        self.trials.classes += sum(len(values) for values in space.values)
        arrives = all_hold(
            space,
            [
                self.trials.asks(space, hop),
                self.trials.poured(tried),
                let_in(space, door, hop),
                self.trials.let_by(space, senders, arrival),
                space.possible,
            ],
        )
        yield from self.trials.refuted(tried, arrives, arrival, hop)

    # What must not leave the mesh.

    def _leaving(self, senders: Senders) -> Iterator[Refuted]:
        parties = [party for party in senders.parties if self.trials.ways.let_out(party)]
        if not parties:
            return
        senders = replace(senders, parties=tuple(parties))
        for table in senders.tables:
            for name, host in hosts_of(table):
                leaving = [n for n, route in enumerate(host.routes) if _leaves(senders, route)]
                if leaving and self.trials.host_asked(name):
                    yield from self._out_by(senders, table, (name, host), leaving)
        if self.wanted.asked.http:
            return
        yield from self._out_raw(senders)

    def _out_by(
        self,
        senders: Senders,
        table: Table,
        named: tuple[str, VirtualHost],
        leaving: Sequence[int],
    ) -> Iterator[Refuted]:
        door = Door(guarded=False)
        tried = self.trials.tried(senders, table, named, [(door, senders.hop)])
        taken, passed = self.trials.sent(tried)
        space = tried.space
        here = space.diagrams.join(lambda number: number in leaving, taken)
        asks = self.trials.asks(space, senders.hop)
        leaves = all_hold(space, [asks, passed, here, space.possible])
        yield from self.trials.refuted(tried, leaves, None, senders.hop)

    def _out_raw(self, senders: Senders) -> Iterator[Refuted]:
        """Raw connections: to hosts outside that the proxy knows, and to any address."""
        known, plan = senders.known, senders.plan
        streams = [
            stream
            for stream in senders.streams()
            if known and any(known.leaves(split.backend) for split in stream.to)
        ]
        anywhere = plan is None or (plan.allow_any and plan.egress_proxy is None)
        if anywhere and not senders.gateway:
            port = next(iter(self.wanted.asked.ports), 443)
            streams.append(Stream(port=port, name=SOMEWHERE, to=()))
        for stream in streams:
            if not self.trials.host_asked(stream.name):
                continue
            self.trials.classes += 1
            party = senders.parties[0]
            request = Request(
                way=Way.GATEWAY if senders.gateway else Way.OUTBOUND,
                port=stream.port,
                authority=authority_for(stream.name),
                address=stream.name if stream.name[:1].isdigit() else "",
                source=SOMEWHERE if senders.gateway else party.pod.address,
                peer="" if senders.gateway else party.caller.identity,
                tls=stream.tls,
                raw=True,
            )
            if senders.gateway and plan and not isinstance(walk_ir(plan, request), Forwarded):
                continue
            yield Refuted(
                source=f"outside through {party.name}" if senders.gateway else party.name,
                target=OUTSIDE,
                request=request,
                arrived=None,
                why=(),
                confirmed=True,
            )

    # What must always arrive.

    def _kept_back(self, senders: Senders) -> Iterator[Refuted]:
        for table in senders.tables:
            if self.wanted.asked.ports and table.port not in self.wanted.asked.ports:
                continue
            for name, host in hosts_of(table):
                if any(
                    matches(pattern(h), d) for h in self.wanted.asked.hosts for d in host.domains
                ):
                    yield from self._lacking(senders, table, (name, host))

    def _lacking(
        self, senders: Senders, table: Table, named: tuple[str, VirtualHost]
    ) -> Iterator[Refuted]:
        """Requests to a host that do not all get to where they are to get."""
        ends: list[tuple[int, Arrival | None, Door, Hop]] = []
        for number, route in enumerate(named[1].routes):
            splits = route.action.splits if isinstance(route.action, Forward) else ()
            for split in splits:
                hop = onward(route, split, senders.hop)
                arrivals = (
                    list(self.trials.ways.arrivals(senders, split.backend)) if split.weight else []
                )
                for arrival in arrivals:
                    door = door_of(arrival.party.plan, arrival.port)
                    seen = self.trials.arriving(senders, arrival, hop, door)
                    ends.append((number, arrival, door, seen))
        known = [(door, hop) for _, _, door, hop in ends] or [(Door(guarded=False), senders.hop)]
        tried = self.trials.tried(senders, table, named, known)
        taken, passed = self.trials.sent(tried)
        space = tried.space
        good: Node = space.diagrams.leaf(False)
        for number, route in enumerate(named[1].routes):
            own = [(a, d, h) for n, a, d, h in ends if n == number and a]
            if not own or (route.fault and route.fault.abort_percent):
                continue
            here = space.diagrams.join(lambda n, number=number: n == number, taken)
            each = [
                space.diagrams.both(
                    let_in(space, door, hop), self.trials.let_by(space, senders, arrival)
                )
                if self.wanted.targets.has(arrival.party.workload)
                else space.diagrams.leaf(False)
                for arrival, door, hop in own
            ]
            good = one_holds(space, [good, all_hold(space, [here, passed, *each])])
        asks = self.trials.asks(space, senders.hop)
        lost = all_hold(space, [asks, space.diagrams.negated(good), space.possible])
        yield from self.trials.refuted(tried, lost, None, senders.hop, kept=True)

    def _is_target(self, party: Party, port: int) -> bool:
        ports = self.wanted.asked.ports
        return (
            self.wanted.targets.has(party.workload)
            and (not ports or port in ports)
            and not (party.is_gateway and not self.wanted.targets.workloads)
        )


def _ports(party: Party, asked: Sequence[int]) -> Sequence[int]:
    """The ports on which something answers, as far as is known."""
    plan = party.plan
    declared = [port.port for port in plan.inbound.ports] if plan and plan.inbound else []
    declared += [number for _, number in party.pod.ports]
    return tuple(dict.fromkeys(declared)) or asked


def _leaves(senders: Senders, route: Route) -> bool:
    if route.action is Elsewhere.PASSTHROUGH:
        return True
    if not isinstance(route.action, Forward) or senders.known is None:
        return False
    return any(senders.known.leaves(s.backend) for s in route.action.splits if s.weight)
