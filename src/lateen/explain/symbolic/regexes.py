"""Read a regular expression of RE2 as a tree of characters, sequences, choices and repetitions.

In: the expression.    Out: Node, or NotRegular with what of it is beyond these.
Before: -              After: symbolic/automata.py
Source: github.com/google/re2 Syntax. Only ASCII is read: a character beyond it is in no set.
"""

from __future__ import annotations

import re
import unicodedata

from msgspec import Struct

_MOST_COPIES = 4096  # of one part, by nested counts
ASCII = (1 << 128) - 1
_NEWLINE = 1 << 10
_QUOTED = re.compile(r"\\Q(.*?)(?:\\E|$)", re.DOTALL)


class NotRegular(Exception):
    """The expression has something that automata here do not follow: what, in words."""


class Chars(Struct, frozen=True):
    """One character of a set, which is a mask: bit n stands for code point n."""

    mask: int


class Sequence(Struct, frozen=True):
    """One after the other; none for the empty text."""

    parts: tuple[Node, ...]


class Choice(Struct, frozen=True):
    """One of them; none for no text at all."""

    parts: tuple[Node, ...]


class Star(Struct, frozen=True):
    """Any number of times."""

    part: Node


Node = Chars | Sequence | Choice | Star
EMPTY = Sequence(())
NOTHING = Choice(())
ANY_TEXT = Star(Chars(ASCII))


def mask_of(characters: str) -> int:
    """The set of these characters; those beyond ASCII are left out."""
    mask = 0
    for each in characters:
        if ord(each) < 128:
            mask |= 1 << ord(each)
    return mask


def literal(text: str, *, fold: bool = False) -> Node:
    """This text; with `fold` in any case."""
    parts = tuple(Chars(_folded(mask_of(each)) if fold else mask_of(each)) for each in text)
    return Sequence(parts)


def parse(pattern: str) -> Node:
    """The tree of an expression that has to match a whole text."""
    reader = _Reader(_QUOTED.sub(lambda found: re.escape(found[1]), pattern))
    node = reader.choice(_Flags())
    if reader.at < len(reader.pattern):
        raise NotRegular("an unmatched )")
    return _without_anchors(node)


def _span(first: str, last: str) -> int:
    return mask_of("".join(map(chr, range(ord(first), ord(last) + 1))))


_DIGITS = _span("0", "9")
_LOWER = _span("a", "z")
_UPPER = _span("A", "Z")
_WORD = _DIGITS | _LOWER | _UPPER | mask_of("_")
_SPACE = mask_of("\t\n\f\r ")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_PUNCTUATION = mask_of("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_POSIX = {
    "alnum": _DIGITS | _LOWER | _UPPER,
    "alpha": _LOWER | _UPPER,
    "ascii": ASCII,
    "blank": mask_of("\t "),
    "cntrl": ((1 << 32) - 1) | 1 << 127,
    "digit": _DIGITS,
    "graph": _span("!", "~"),
    "lower": _LOWER,
    "print": _span(" ", "~"),
    "punct": _PUNCTUATION,
    "space": _SPACE | 1 << 11,
    "upper": _UPPER,
    "word": _WORD,
    "xdigit": _DIGITS | _span("a", "f") | _span("A", "F"),
}
_CONTROLS = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_BEGIN, _END = Chars(-1), Chars(-2)  # anchors, until they are found at an end


def _folded(mask: int) -> int:
    """The set with both cases of each letter."""
    upper, lower = mask & _UPPER, mask & _LOWER
    return mask | upper << 32 | lower >> 32


class _Flags(Struct, frozen=True, kw_only=True):
    fold: bool = False
    dot_all: bool = False


class _Reader:
    """Recursive descent over the expression; `at` is the next character."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def choice(self, flags: _Flags) -> Node:
        parts: list[Node] = []
        items: list[Node] = []
        while True:
            here = self._peek()
            if here in ("", ")"):
                break
            if here == "|":
                self.at += 1
                parts.append(Sequence(tuple(items)))
                items = []
                continue
            changed = self._flags_only(flags)
            if changed is not None:
                flags = changed
                continue
            items.append(self._repeated(flags))
        parts.append(Sequence(tuple(items)))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _peek(self, text: str = "") -> str:
        if text:
            return text if self.pattern.startswith(text, self.at) else ""
        return self.pattern[self.at : self.at + 1]

    def _flags_only(self, flags: _Flags) -> _Flags | None:
        found = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?\)").match(self.pattern, self.at)
        if found is None:
            return None
        self.at = found.end()
        return _changed(flags, found[1], found[2] or "")

    def _repeated(self, flags: _Flags) -> Node:
        node = self._atom(flags)
        while True:
            found = re.compile(r"(?:[*+?]|\{(\d+)(,?)(\d*)\})\??").match(self.pattern, self.at)
            if found is None:
                return node
            self.at = found.end()
            node = _times(node, found)

    def _atom(self, flags: _Flags) -> Node:
        here = self._peek()
        if here == "(":
            return self._group(flags)
        if here == "[":
            return Chars(self._set(flags))
        if here == "\\":
            return self._escape(flags)
        self.at += 1
        if here == ".":
            return Chars(ASCII if flags.dot_all else ASCII & ~_NEWLINE)
        if here == "^":
            return _BEGIN
        if here == "$":
            return _END
        return self._one(mask_of(here), flags)

    def _group(self, flags: _Flags) -> Node:
        found = re.compile(r"\((?:\?(?:P?<\w+>|([imsU]*)(?:-([imsU]+))?:))?").match(
            self.pattern, self.at
        )
        if found is None or (self._peek("(?") and len(found[0]) == 1):
            raise NotRegular("a group of an unknown kind")
        self.at = found.end()
        node = self.choice(_changed(flags, found[1] or "", found[2] or ""))
        if self._peek() != ")":
            raise NotRegular("an unmatched (")
        self.at += 1
        return node

    def _escape(self, flags: _Flags) -> Node:
        letter = self.pattern[self.at + 1 : self.at + 2]
        if letter in ("A", "z"):
            self.at += 2
            return _BEGIN if letter == "A" else _END
        if letter in ("b", "B"):
            raise NotRegular("a word boundary")
        return self._one(self._escaped(), flags)

    def _one(self, mask: int, flags: _Flags) -> Chars:
        return Chars(_folded(mask) if flags.fold else mask)

    def _escaped(self) -> int:
        """The set that an escape stands for."""
        letter = self.pattern[self.at + 1 : self.at + 2]
        if letter.lower() in _CLASSES:
            self.at += 2
            mask = _CLASSES[letter.lower()]
            return mask if letter.islower() else ASCII & ~mask
        if letter in ("p", "P"):
            return self._property()
        code = re.compile(r"\\(?:x\{([0-9a-fA-F]+)\}|x([0-9a-fA-F]{2})|([0-7]{2,3}))").match(
            self.pattern, self.at
        )
        if code:
            self.at = code.end()
            number = int(code[3], 8) if code[3] else int(code[1] or code[2], 16)
            return 1 << number if number < 128 else 0
        if letter in _CONTROLS:
            self.at += 2
            return mask_of(_CONTROLS[letter])
        if not letter or letter.isalnum():
            raise NotRegular(f"the escape \\{letter}")
        self.at += 2
        return mask_of(letter)

    def _property(self) -> int:
        found = re.compile(r"\\([pP])(?:\{(\^?)(\w+)\}|(\w))").match(self.pattern, self.at)
        name = (found[3] or found[4]) if found else ""
        if found is None or len(name) > 2:
            raise NotRegular(f"the class of characters {name}")
        self.at = found.end()
        mask = mask_of(
            "".join(c for c in map(chr, range(128)) if unicodedata.category(c).startswith(name))
        )
        return ASCII & ~mask if (found[1] == "P") != bool(found[2]) else mask

    def _set(self, flags: _Flags) -> int:
        self.at += 1
        inverted = self._peek() == "^"
        self.at += inverted
        mask, first = 0, True
        while first or self._peek() != "]":
            first = False
            if not self._peek():
                raise NotRegular("an unmatched [")
            mask |= self._member()
        self.at += 1
        mask = _folded(mask) if flags.fold else mask
        return ASCII & ~mask if inverted else mask

    def _member(self) -> int:
        named = re.compile(r"\[:(\^?)(\w+):\]").match(self.pattern, self.at)
        if named:
            self.at = named.end()
            mask = _POSIX.get(named[2])
            if mask is None:
                raise NotRegular(f"the class of characters {named[2]}")
            return ASCII & ~mask if named[1] else mask
        start = self._single()
        following = self.pattern[self.at + 1 : self.at + 2]
        if self._peek() != "-" or following in ("]", "") or start.bit_count() > 1:
            return start
        self.at += 1
        end = self._single()
        if not start:
            return 0
        last = end.bit_length() if end else 128  # beyond ASCII
        return (1 << last) - (start & -start)

    def _single(self) -> int:
        if self._peek() == "\\":
            return self._escaped()
        self.at += 1
        return mask_of(self.pattern[self.at - 1])


def _changed(flags: _Flags, on: str, off: str) -> _Flags:
    return _Flags(
        fold=("i" in on or flags.fold) and "i" not in off,
        dot_all=("s" in on or flags.dot_all) and "s" not in off,
    )


def _times(node: Node, found: re.Match[str]) -> Node:
    match found[0][0]:
        case "*":
            return Star(node)
        case "+":
            return Sequence((node, Star(node)))
        case "?":
            return Choice((EMPTY, node))
    least = int(found[1])
    if max(least, int(found[3] or 0)) * _size(node) > _MOST_COPIES:
        raise NotRegular("a repetition too long to follow")
    parts: list[Node] = [node] * least
    if found[2] and not found[3]:
        parts.append(Star(node))
    elif found[2]:
        parts.extend([Choice((EMPTY, node))] * (int(found[3]) - least))
    return Sequence(tuple(parts))


def _size(node: Node) -> int:
    match node:
        case Chars():
            return 1
        case Star(part):
            return _size(part)
        case Sequence(parts) | Choice(parts):
            return 1 + sum(map(_size, parts))


def _without_anchors(node: Node, first: bool = True, last: bool = True) -> Node:
    """The tree without `^` and `$` where they say nothing new; elsewhere they are not followed."""
    match node:
        case Chars(mask):
            if mask >= 0:
                return node
            if (first and node is _BEGIN) or (last and node is _END):
                return EMPTY
            raise NotRegular("^ or $ in the middle")
        case Star(part):
            return Star(_without_anchors(part, False, False))
        case Choice(parts):
            return Choice(tuple(_without_anchors(each, first, last) for each in parts))
        case Sequence(parts):
            end = len(parts) - 1
            return Sequence(
                tuple(
                    _without_anchors(each, first and n == 0, last and n == end)
                    for n, each in enumerate(parts)
                )
            )
