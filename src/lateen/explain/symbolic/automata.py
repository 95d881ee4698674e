"""Follow a text through a tree of characters, a symbol at a time.

In: Node, the way a text is seen.      Out: Automaton: states as numbers, steps worked out when asked for.
Before: symbolic/regexes.py            After: symbolic/texts.py

A symbol is what a text is written with: a character, or an escape such as `%2F`, which is one symbol and may be
seen as three characters or as the one it stands for.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from lateen.explain.symbolic.regexes import (
    Chars,
    Choice,
    Node,
    NotRegular,
    Sequence,
    Star,
    parse,
)

DEAD = 0  # the state from which nothing is accepted any more


class View(Struct, frozen=True, kw_only=True):
    """What becomes of a text before it is looked at.

    First its first `cut` is replaced by `put` (a text that does not begin so is not seen at all). Then, with
    `decode`, `%2F` is a slash, and, with `merge`, slashes next to one another are one.
    """

    cut: str = ""
    put: str = ""
    decode: bool = False
    merge: bool = False


AS_IT_IS = View()


class _Graph:
    """Places and the ways between them; some cost no character."""

    def __init__(self) -> None:
        self.free: list[list[int]] = []
        self.ways: list[list[tuple[int, int]]] = []

    def place(self) -> int:
        self.free.append([])
        self.ways.append([])
        return len(self.free) - 1

    def add(self, node: Node, start: int) -> int:
        """The place after the node, entered at `start`."""
        match node:
            case Chars(mask):
                end = self.place()
                self.ways[start].append((mask, end))
                return end
            case Sequence(parts):
                for part in parts:
                    start = self.add(part, start)
                return start
            case Choice(parts):
                end = self.place()
                for part in parts:
                    self.free[self.add(part, start)].append(end)
                return end
            case Star(part):
                loop = self.place()
                self.free[start].append(loop)
                self.free[self.add(part, loop)].append(loop)
                return loop

    def reach(self, places: frozenset[int]) -> frozenset[int]:
        """These places and all that are free to reach from them."""
        found, left = set(places), list(places)
        while left:
            for each in self.free[left.pop()]:
                if each not in found:
                    found.add(each)
                    left.append(each)
        return frozenset(found)


# What a state knows: how much of `cut` was seen, whether a slash was the last character, the places.
_State = tuple[int, bool, frozenset[int]]


class Automaton:
    """One tree, seen in one way. State 0 is dead; `start` is where every text begins."""

    def __init__(self, node: Node, view: View = AS_IT_IS) -> None:
        self._graph = _Graph()
        self._view = view
        first = self._graph.place()
        self._end = self._graph.add(node, first)
        self._states: list[_State] = [(0, False, frozenset())]
        self._numbers: dict[_State, int] = {}
        self._steps: dict[tuple[int, str], int] = {}
        self._sets: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        begun: _State = (0, False, self._graph.reach(frozenset((first,))))
        self.start = self._number(begun if view.cut else self._put(begun))

    @property
    def masks(self) -> set[int]:
        """The sets of characters it tells apart."""
        own = {mask for ways in self._graph.ways for mask, _ in ways}
        return own | {1 << ord(c) for c in self._view.cut}

    def accepts(self, state: int) -> bool:
        """Whether a text that leads to the state is one of the tree's."""
        cut, _, places = self._states[state]
        return cut == len(self._view.cut) and self._end in places

    def step(self, state: int, symbol: str) -> int:
        """The state after one more symbol."""
        if state == DEAD:
            return DEAD
        key = (state, symbol)
        known = self._steps.get(key)
        if known is None:
            known = self._steps[key] = self._number(self._next(self._states[state], symbol))
        return known

    def matches(self, text: str) -> bool:
        """Whether a text, a character a symbol, is one of the tree's."""
        state = self.start
        for each in text:
            state = self.step(state, each)
        return self.accepts(state)

    def _number(self, state: _State) -> int:
        if not state[2]:
            return DEAD
        if state not in self._numbers:
            self._numbers[state] = len(self._states)
            self._states.append(state)
        return self._numbers[state]

    def _next(self, state: _State, symbol: str) -> _State:
        cut = state[0]
        if cut < len(self._view.cut):
            if not self._view.cut.startswith(symbol, cut):
                return self._states[DEAD]
            state = (cut + len(symbol), *state[1:])
            return self._put(state) if state[0] == len(self._view.cut) else state
        return self._see(state, symbol)

    def _put(self, state: _State) -> _State:
        for each in self._view.put:
            state = self._see(state, each)
        return state

    def _see(self, state: _State, symbol: str) -> _State:
        cut, slash, places = state
        text = "/" if self._view.decode and symbol == "%2F" else symbol
        for each in text:
            if self._view.merge and slash and each == "/":
                continue
            places = self._move(places, each)
            slash = self._view.merge and each == "/"
        return cut, slash, places

    def _move(self, places: frozenset[int], character: str) -> frozenset[int]:
        key = (places, character)
        known = self._sets.get(key)
        if known is None:
            bit = 1 << ord(character)
            ways = self._graph.ways
            reached = frozenset(to for place in places for mask, to in ways[place] if mask & bit)
            known = self._sets[key] = self._graph.reach(reached)
        return known


def full_match(pattern: str, text: str) -> bool:
    """Whether an RE2 expression matches a whole text.

    Python's own expressions do where they mean the same. Raises re.error for what neither they nor an
    automaton can follow.
    """
    if _ONLY_RE2.search(pattern) and text.isascii():
        try:
            return _automaton(pattern).matches(text)
        except NotRegular:
            pass
    return re.fullmatch(pattern, text) is not None


# What Python refuses, or reads as something else: [[:alpha:]], \pL, \z, \Q…\E, \C, (?<name>…), (?U), \x{41}.
_ONLY_RE2 = re.compile(r"\[:\^?\w+:\]|\\(?:[pPzQC]|x\{)|\(\?<\w|\(\?[ims]*U|\(\?[imsU]*-")


@lru_cache(maxsize=1024)
def _automaton(pattern: str) -> Automaton:
    return Automaton(parse(pattern))
