"""Functions of all requests, as decision diagrams: each variable asked once, in order, equal parts shared.

In: variables with so many values, sets of values, results.     Out: Node (a diagram), compared by identity.
Before: -                                                       After: symbolic/routing.py, symbolic/policing.py

A set of a variable's values is a mask. A diagram ends in results of any hashable type, so one of booleans is a
condition and one of routes says which route is taken. Two diagrams of one maker are equal functions if and only
if they are the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

_MOST_NODES = 400_000


class TooLarge(Exception):
    """The function has too many cases to be written down."""


class Leaf(Struct, frozen=True, eq=False):
    """The result, whatever the variables not asked."""

    value: Any


class Branch(Struct, frozen=True, eq=False):
    """What follows for each set of values of one variable; the sets are disjoint and complete."""

    variable: int
    ways: tuple[tuple[int, Node], ...]


Node = Leaf | Branch
Cube = Mapping[int, int]  # by variable the values that hold; one not named holds for all


@dataclass(slots=True)
class Diagrams:
    """The maker of all diagrams over some variables; `sizes` are how many values each has."""

    sizes: Sequence[int]
    _leaves: dict[Hashable, Leaf] = field(default_factory=dict)
    _branches: dict[tuple[int, tuple[tuple[int, int], ...]], Branch] = field(default_factory=dict)

    def leaf(self, value: Hashable) -> Leaf:
        """The function that is this result everywhere."""
        if value not in self._leaves:
            self._leaves[value] = Leaf(value)
        return self._leaves[value]

    def full(self, variable: int) -> int:
        """All values of a variable."""
        return (1 << self.sizes[variable]) - 1

    def where(self, variable: int, values: int) -> Node:
        """The condition that a variable has one of these values."""
        yes, no = self.leaf(True), self.leaf(False)
        return self._branch(variable, [(values, yes), (self.full(variable) & ~values, no)])

    def cube(self, cube: Cube, then: Node, otherwise: Node) -> Node:
        """One function where every variable has one of the given values, another elsewhere."""
        condition: Node = self.leaf(True)
        for variable in sorted(cube, reverse=True):
            rest = self.full(variable) & ~cube[variable]
            ways = [(cube[variable], condition), (rest, self.leaf(False))]
            condition = self._branch(variable, ways)
        return self.choose(condition, then, otherwise)

    def choose(self, condition: Node, then: Node, otherwise: Node) -> Node:
        """One function where the condition holds, another elsewhere."""
        memo: dict[tuple[int, int, int], Node] = {}

        def go(c: Node, t: Node, o: Node) -> Node:
            if isinstance(c, Leaf):
                return t if c.value else o
            if t is o:
                return t
            key = (id(c), id(t), id(o))
            if key not in memo:
                top = min(_top(c), _top(t), _top(o))
                memo[key] = self._split(top, (c, t, o), lambda parts: go(*parts))
            return memo[key]

        return go(condition, then, otherwise)

    def join(self, make: Callable[..., Hashable], *functions: Node) -> Node:
        """The function whose result is made of theirs."""
        memo: dict[tuple[int, ...], Node] = {}

        def go(parts: tuple[Node, ...]) -> Node:
            values = [part.value for part in parts if isinstance(part, Leaf)]
            if len(values) == len(parts):
                return self.leaf(make(*values))
            key = tuple(map(id, parts))
            if key not in memo:
                memo[key] = self._split(min(map(_top, parts)), parts, go)
            return memo[key]

        return go(functions)

    def both(self, first: Node, second: Node) -> Node:
        """The condition that both hold."""
        return self.choose(first, second, self.leaf(False))

    def either(self, first: Node, second: Node) -> Node:
        """The condition that one of them holds, or both."""
        return self.choose(first, self.leaf(True), second)

    def negated(self, condition: Node) -> Node:
        """The condition that it does not hold."""
        return self.choose(condition, self.leaf(False), self.leaf(True))

    def _split(
        self,
        variable: int,
        parts: tuple[Node, ...],
        go: Callable[[tuple[Node, ...]], Node],
    ) -> Node:
        """Work out the parts for each set of values of a variable that none of them tells apart."""
        cells: list[tuple[int, tuple[Node, ...]]] = [(self.full(variable), ())]
        for part in parts:
            ways = (
                part.ways
                if isinstance(part, Branch) and part.variable == variable
                else ((self.full(variable), part),)
            )
            cells = [
                (mask & values, (*chosen, way))
                for mask, chosen in cells
                for values, way in ways
                if mask & values
            ]
        return self._branch(variable, [(mask, go(chosen)) for mask, chosen in cells])

    def _branch(self, variable: int, ways: Sequence[tuple[int, Node]]) -> Node:
        masks: dict[int, int] = {}
        nodes: dict[int, Node] = {}
        for mask, node in ways:
            if mask:
                masks[id(node)] = masks.get(id(node), 0) | mask
                nodes[id(node)] = node
        if len(nodes) == 1:
            return next(iter(nodes.values()))
        ordered = sorted(masks.items(), key=lambda pair: pair[1] & -pair[1])
        key = (variable, tuple((mask, number) for number, mask in ordered))
        known = self._branches.get(key)
        if known is None:
            if len(self._branches) > _MOST_NODES:
                raise TooLarge
            known = Branch(variable, tuple((mask, nodes[number]) for number, mask in ordered))
            self._branches[key] = known
        return known

    def results(self, function: Node) -> list[Any]:
        """Every result the function has, each once."""
        found: dict[Hashable, None] = {}
        seen: set[int] = set()
        left = [function]
        while left:
            node = left.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, Leaf):
                found[node.value] = None
            else:
                left.extend(way for _, way in node.ways)
        return list(found)

    def cubes(self, condition: Node) -> Iterator[dict[int, int]]:
        """Disjoint cubes that together are where the condition holds."""
        if isinstance(condition, Leaf):
            if condition.value:
                yield {}
            return
        for values, way in condition.ways:
            for cube in self.cubes(way):
                yield {condition.variable: values, **cube}

    def simplest(self, condition: Node, costs: Sequence[Sequence[float]]) -> tuple[int, ...] | None:
        """The values of least cost for which it holds; None if it never does."""
        cheapest = [min(range(len(of)), key=of.__getitem__, default=0) for of in costs]
        memo: dict[int, tuple[float, dict[int, int]] | None] = {}

        def go(node: Node) -> tuple[float, dict[int, int]] | None:
            if isinstance(node, Leaf):
                return (0.0, {}) if node.value else None
            if id(node) in memo:
                return memo[id(node)]
            best: tuple[float, dict[int, int]] | None = None
            of = costs[node.variable]
            least = of[cheapest[node.variable]]
            for values, way in node.ways:
                below = go(way)
                if below is None:
                    continue
                value = min(values_in(values), key=of.__getitem__)
                cost = of[value] - least + below[0]
                if best is None or cost < best[0]:
                    best = (cost, {node.variable: value, **below[1]})
            memo[id(node)] = best
            return best

        found = go(condition)
        if found is None:
            return None
        return tuple(found[1].get(n, cheapest[n]) for n in range(len(self.sizes)))


def evaluate(function: Node, values: Sequence[int]) -> Any:
    """The function's result for one value of each variable."""
    while isinstance(function, Branch):
        bit = 1 << values[function.variable]
        function = next(way for mask, way in function.ways if mask & bit)
    return function.value


def values_in(mask: int) -> Iterator[int]:
    """The values of a set, in order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _top(node: Node) -> int:
    return node.variable if isinstance(node, Branch) else 1 << 30
