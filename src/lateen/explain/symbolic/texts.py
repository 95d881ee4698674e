"""Part all texts into classes that no condition tells apart, each with its shortest text.

In: what texts there are, conditions on them.    Out: TextClass.
Before: symbolic/automata.py                     After: symbolic/variables.py

All automata read a text side by side. Two texts after which the same of them accept are one class; the search
goes by length, so that the first text of a class is a shortest one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lateen.explain.symbolic.automata import DEAD, Automaton, View
from lateen.explain.symbolic.regexes import ANY_TEXT, Node, literal, parse
from lateen.explain.symbolic.regexes import Sequence as InOrder
from lateen.ir.match import Exact, Prefix, Present, Regex, StringMatch, Suffix

_MOST_STATES = 60_000
_NICE = "/abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-._~:=*@ "

Seen = tuple[Node, View]  # a condition on a text, and how the text is seen


class TooMany(Exception):
    """The conditions together tell apart more than can be looked at."""


def node_of(match: StringMatch, *, fold: bool = False) -> Node:
    """The texts that a condition holds for, `fold`: in any case (expressions excepted).

    Raises NotRegular.
    """
    match match:
        case Exact(text):
            return literal(text, fold=fold)
        case Prefix(text):
            return InOrder((literal(text, fold=fold), ANY_TEXT))
        case Suffix(text):
            return InOrder((ANY_TEXT, literal(text, fold=fold)))
        case Regex(text):
            return parse(text)
        case Present():
            return ANY_TEXT


def classes(
    there: Sequence[Seen],
    conditions: Iterable[Seen],
    symbols: str,
    escapes: Iterable[str] = (),
    nicer: Iterable[str] = (),
) -> tuple[str, ...]:
    """A text of each class of the texts that all of `there` have, written in these symbols.

    It is the first of `nicer` that is in the class, or else a shortest one. Raises TooMany.
    """
    needed = len(there)
    every = [Automaton(*each) for each in (*there, *dict.fromkeys(conditions))]
    letters = [*_told_apart(every, symbols), *escapes]
    seen: dict[tuple[tuple[int, int], ...], None] = {}
    found = _classes_of(every, needed, nicer)
    level = {tuple((n, each.start) for n, each in enumerate(every) if each.start != DEAD): ""}
    while level:
        following: dict[tuple[tuple[int, int], ...], str] = {}
        seen.update(dict.fromkeys(level))
        if len(seen) > _MOST_STATES:
            raise TooMany
        for state, text in level.items():
            accepted = [n for n, number in state if every[n].accepts(number)]
            if len(accepted) >= needed and accepted[needed - 1] == needed - 1:
                found.setdefault(frozenset(accepted), text)
            for letter in letters:
                after = _stepped(every, needed, state, letter)
                if after and after not in seen and after not in following:
                    following[after] = text + letter
        level = following
    return tuple(found.values())


def _classes_of(
    every: Sequence[Automaton], needed: int, given: Iterable[str]
) -> dict[frozenset[int], str]:
    """The first of the given texts in each class."""
    found: dict[frozenset[int], str] = {}
    for text in given:
        accepting = frozenset(n for n, each in enumerate(every) if each.matches(text))
        if accepting.issuperset(range(needed)):
            found.setdefault(accepting, text)
    return found


def _stepped(
    every: Sequence[Automaton], needed: int, state: tuple[tuple[int, int], ...], letter: str
) -> tuple[tuple[int, int], ...]:
    """The states after one more symbol; nothing once the text can be none of those there are."""
    made = []
    for n, number in state:
        after = every[n].step(number, letter)
        if after != DEAD:
            made.append((n, after))
        elif n < needed:
            return ()
    return tuple(made)


def _told_apart(every: Iterable[Automaton], symbols: str) -> list[str]:
    """One of each kind of characters that nothing tells apart, the plainest first."""
    masks = sorted({mask for each in every for mask in each.masks})
    by_kind: dict[int, str] = {}
    ordered = sorted(symbols, key=lambda c: (_RANK.get(c, 99), c))
    for character in ordered:
        bit = 1 << ord(character)
        kind = sum(1 << n for n, mask in enumerate(masks) if mask & bit)
        by_kind.setdefault(kind, character)
    return list(by_kind.values())


_RANK: Mapping[str, int] = {c: n for n, c in enumerate(_NICE)}
