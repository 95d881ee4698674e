"""All requests there can be at a place, as variables with finitely many values that stand for all others.

In: what conditions look at (symbolic/wants.py).    Out: Space: variables, their values, requests made of them.
Before: symbolic/texts.py, symbolic/callers.py      After: symbolic/judging.py, symbolic/witness.py

A value of a text is a text of one class (see symbolic/texts.py), so a condition that holds for it holds for the
whole class: conditions are looked up with the same functions that the walkers use. A claim that may be a list is a
yes or no for each class of its texts, since it may have any of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lateen.explain.request import Request, Way
from lateen.explain.symbolic.callers import Caller
from lateen.explain.symbolic.diagrams import Diagrams, Node
from lateen.explain.urls import best_domain
from lateen.ir.match import StringMatch

Key = tuple[str, ...]  # ("path",), ("header", "x-user"), ("claim", "realm", "roles", "admin")

CALLER: Key = ("caller",)
TOKEN: Key = ("token",)
METHOD: Key = ("method",)
HOST: Key = ("host",)
PATH: Key = ("path",)
SNI: Key = ("server name",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that is accepted, of this issuer; `issuer` None for one that no rule accepts."""

    issuer: str | None


Value = str | Caller | Token | bool | None  # None: there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """How a token is shown that nobody signed."""

    header: str = "authorization"
    prefix: str = "Bearer "


@dataclass(frozen=True, kw_only=True)
class Space:
    """The variables in order, the values of each, and the maker of diagrams over them.

    `asked` are the conditions on each variable, for words. `doubts` say what is looked at by examples only, in words; without any, all that is said is exact.
    """

    way: Way
    port: int
    address: str = ""
    tls: bool = False
    keys: tuple[Key, ...]
    values: tuple[tuple[Value, ...], ...]
    asked: Mapping[Key, tuple[StringMatch, ...]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    bad: Bad = Bad()
    server_name: str = ""  # the domain that the name in TLS is of, "" for any
    diagrams: Diagrams = field(compare=False)

    @property
    def exact(self) -> bool:
        """Whether every condition was followed to the end."""
        return not self.doubts

    @cached_property
    def possible(self) -> Node:
        """Where a token's claims can be as they are (one that holds others has no texts of its own), and the server name."""
        make = self.diagrams
        claims = [key for key in self.keys if key[0] == "claim"]
        found: Node = make.leaf(True)
        if self.server_name and self.index(SNI) is not None:
            domain = (self.server_name,)
            found = self.where(SNI, lambda request: best_domain(domain, request.sni) is not None)
        for outer in claims:
            for inner in claims:
                way = outer[1:-1]
                if len(inner) > len(outer) and inner[1 : len(way) + 1] == way:
                    both = make.both(self.having(outer, True), self.having(inner, True))
                    found = make.both(make.negated(both), found)
        return found

    def index(self, key: Key) -> int | None:
        """The number of a variable; None if no condition asks for it."""
        return self.keys.index(key) if key in self.keys else None

    def where(self, key: Key, holds: Callable[[Request], bool]) -> Node:
        """The condition on one variable, which is looked up for each of its values."""
        number = self.index(key)
        if number is None:
            return self.diagrams.leaf(holds(self.request({})))
        mask = 0
        for n, value in enumerate(self.values[number]):
            if holds(self.request({key: value})):
                mask |= 1 << n
        return self.diagrams.where(number, mask)

    def having(self, key: Key, value: Value) -> Node:
        """The condition that a variable has this value."""
        number = self.index(key)
        if number is None or value not in self.values[number]:
            return self.diagrams.leaf(False)
        return self.diagrams.where(number, 1 << self.values[number].index(value))

    def chosen(self, values: Sequence[int]) -> Request:
        """The request with these values."""
        pairs = zip(self.keys, self.values, values, strict=True)
        return self.request({key: of[n] for key, of, n in pairs})

    def request(self, values: Mapping[Key, Value]) -> Request:
        """A request with these values; of each variable that is not named, its first."""
        every = {key: of[0] for key, of in zip(self.keys, self.values, strict=True)} | dict(values)
        caller = every.get(CALLER)
        who = caller if isinstance(caller, Caller) else Caller(name="")
        return Request(
            way=self.way,
            port=self.port,
            address=self.address,
            tls=self.tls,
            method=_text(every.get(METHOD), "GET"),
            path=_text(every.get(PATH), "/") + _query(every),
            authority=_text(every.get(HOST), "localhost"),
            sni=_text(every.get(SNI), ""),
            headers=self._headers(every),
            peer=who.identity,
            source=who.address,
            client=who.client,
            claims=_claims(every),
        )

    def _headers(self, every: Mapping[Key, Value]) -> tuple[tuple[str, str], ...]:
        made = [
            (key[1], value)
            for key, value in every.items()
            if key[0] == "header" and isinstance(value, str)
        ]
        token = every.get(TOKEN)
        if isinstance(token, Token) and token.issuer is None:
            made.append((self.bad.header, f"{self.bad.prefix}nobody-signed-this"))
        return tuple(made)

    def costs(self) -> list[list[float]]:
        """How much each value takes to say, so that the simplest request is found."""
        return [
            [_cost(key, value) for value in of]
            for key, of in zip(self.keys, self.values, strict=True)
        ]


def _text(value: Value, otherwise: str) -> str:
    return value if isinstance(value, str) else otherwise


def _query(every: Mapping[Key, Value]) -> str:
    pairs = [(key[1], value) for key, value in every.items() if key[0] == "query"]
    given = [f"{name}={value}" for name, value in pairs if value is not None]
    return "?" + "&".join(given) if given else ""


def _claims(every: Mapping[Key, Value]) -> Mapping[str, Any] | None:
    token = every.get(TOKEN)
    if not isinstance(token, Token) or token.issuer is None:
        return None
    made: dict[str, Any] = {"iss": token.issuer} if token.issuer else {}
    for key, value in every.items():
        if key[0] == "text claim" and isinstance(value, str):
            _put(made, key[1:], value)
        elif key[0] == "claim" and value is True:
            _put(made, key[1:-1], [*_list_at(made, key[1:-1]), key[-1]])
    return made


def _list_at(claims: Mapping[str, Any], way: Sequence[str]) -> list[str]:
    value: Any = claims
    for key in way:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []


def _put(claims: dict[str, Any], way: Sequence[str], value: Any) -> None:
    for key in way[:-1]:
        claims = claims.setdefault(key, {})
    claims[way[-1]] = value


def _cost(key: Key, value: Value) -> float:
    match value:
        case None | False:
            return 0.0
        case True:
            return 8.0
        case Caller():
            return (0.0 if value.known else 40.0) + (2.0 if value.client else 0.0)
        case Token():
            return 20.0 if value.issuer is not None else 30.0
    odd = sum(not (c.isalnum() or c in "/-.:") for c in value)
    if key == METHOD:
        return _METHODS.index(value) if value in _METHODS else 9.0
    return (0.0 if key in (PATH, HOST) else 10.0) + len(value) + 2 * odd + (not value)


_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
