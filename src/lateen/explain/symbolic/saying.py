"""Say in words which requests a condition is about.

In: Space, a condition.                 Out: texts such as `POST /admin*, without header x-debug`.
Before: symbolic/space.py               After: differing/, cli/

A set of values is named by the conditions that made the classes: one of them, several, or all but some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lateen.explain.ir_match import matches
from lateen.explain.request import Request, Way
from lateen.explain.symbolic.callers import Caller
from lateen.explain.symbolic.diagrams import Node, values_in
from lateen.explain.symbolic.space import (
    CALLER,
    HOST,
    METHOD,
    PATH,
    TOKEN,
    Key,
    Space,
    Token,
)
from lateen.ir.match import Exact, Prefix, Present, Regex, StringMatch, Suffix

_MOST_CUBES = 4
_MOST_NAMES = 6


def said(space: Space, condition: Node) -> tuple[str, ...]:
    """The requests the condition holds for, in a few phrases that together are all of them."""
    whole = _hull(space, condition)
    cube = _cube(space, whole)
    if cube is condition:
        return (_phrase(space, whole),)
    rest = space.diagrams.both(cube, space.diagrams.negated(condition))
    hole = _hull(space, rest)
    if _cube(space, hole) is rest:
        inner = {v: m for v, m in hole.items() if whole.get(v, space.diagrams.full(v)) != m}
        return (f"{_phrase(space, whole)}, except {_phrase(space, inner)}",)
    cubes = []
    for cube_found in space.diagrams.cubes(condition):
        cubes.append(cube_found)
        if len(cubes) > _MOST_CUBES:
            return (f"some of: {_phrase(space, whole)}",)
    return tuple(dict.fromkeys(_phrase(space, each) for each in cubes))


def _hull(space: Space, condition: Node) -> dict[int, int]:
    """The smallest cube around a condition: by variable the values it holds for at all."""
    no = space.diagrams.leaf(False)
    hull: dict[int, int] = {}
    for variable, size in enumerate(space.diagrams.sizes):
        mask = 0
        for n in range(size):
            if space.diagrams.both(space.diagrams.where(variable, 1 << n), condition) is not no:
                mask |= 1 << n
        if mask != space.diagrams.full(variable):
            hull[variable] = mask
    return hull


def _cube(space: Space, cube: Mapping[int, int]) -> Node:
    make = space.diagrams
    return make.cube(cube, make.leaf(True), make.leaf(False))


def _phrase(space: Space, cube: Mapping[int, int]) -> str:
    by_key = {space.keys[variable]: mask for variable, mask in cube.items()}
    method = _named(space, METHOD, by_key.pop(METHOD, None)) or ""
    path = _named(space, PATH, by_key.pop(PATH, None)) or ""
    by_key.pop(CALLER, None)
    further = list(_further(space, by_key))
    front = " ".join(part for part in (method, path) if part)
    if not front:
        front = "every request" if not further else "requests"
    return ", ".join([front, *further])


def _further(space: Space, by_key: Mapping[Key, int]) -> Iterator[str]:
    for key, mask in by_key.items():
        if key == TOKEN:
            yield _token(space, mask)
        elif key[0] == "claim":
            yield f"{'with' if mask & 2 else 'without'} {key[-1]} in the claim {'.'.join(key[1:-1])}"
        elif key == HOST:
            yield f"for host {_named(space, key, mask)}"
        else:
            yield _optional(space, key, mask)


def _optional(space: Space, key: Key, mask: int) -> str:
    """A header, query parameter or claim, which may be absent."""
    what = f"{_KINDS.get(key[0], key[0])} {'.'.join(key[1:])}".strip()
    number = space.keys.index(key)
    full = space.diagrams.full(number)
    if mask == 1:
        return f"without {what}"
    if mask == full & ~1:
        return f"with {what}"
    named = _named(space, key, mask & ~1 if not mask & 1 else mask)
    return f"with {what} {named}"


_KINDS = {"query": "query parameter", "text claim": "claim"}


def _token(space: Space, mask: int) -> str:
    values = [space.values[space.keys.index(TOKEN)][n] for n in values_in(mask)]
    said = []
    for value in values:
        if value is None:
            said.append("without a token")
        elif isinstance(value, Token):
            said.append(
                "with a token that no rule accepts"
                if value.issuer is None
                else f"with a token of {value.issuer or 'any issuer'}"
            )
    return " or ".join(said)


def _named(space: Space, key: Key, mask: int | None) -> str | None:
    """A set of a text's values, by the conditions that tell them apart; None for all of them."""
    number = space.index(key)
    if mask is None or number is None or mask == space.diagrams.full(number):
        return None
    values = space.values[number]
    full = space.diagrams.full(number)
    by_name = _by_name(space, key)
    exact = next((name for name, its in by_name.items() if its == mask), None)
    if exact:
        return exact
    if parts := _union(by_name, mask):
        return " or ".join(parts)
    outside = full & ~mask
    if key[0] in ("header", "query", "text claim"):
        outside &= ~1
    if parts := _union(by_name, outside):
        return f"{_ANY.get(key[0], 'other than')} {' or '.join(parts)}"
    around = [name for name, its in by_name.items() if mask & its == mask]
    for name in sorted(around, key=lambda n: by_name[n].bit_count()):
        if parts := _union(by_name, by_name[name] & ~mask):
            return f"{name} except {' or '.join(parts)}"
    texts = [str(values[n]) for n in values_in(mask) if values[n] is not None]
    return f"such as {' or '.join(texts[:3])}" if texts else "absent"


_ANY = {"method": "any method but", "path": "any path but", "host": "any but"}


def _by_name(space: Space, key: Key) -> dict[str, int]:
    values = space.values[space.keys.index(key)]
    made: dict[str, int] = {}
    for match in space.asked.get(key, ()):
        mask = sum(
            1 << n
            for n, value in enumerate(values)
            if isinstance(value, str) and _holds(match, value)
        )
        if mask:
            made.setdefault(_name(match), mask)
    return made


def _holds(match: StringMatch, value: str) -> bool:
    return not isinstance(match, Present) and matches(match, value)


def _union(by_name: Mapping[str, int], mask: int) -> list[str]:
    """The fewest names, greedily, that together are exactly the set; none if they cannot be."""
    left, parts = mask, []
    inside = sorted(
        ((its, name) for name, its in by_name.items() if its & ~mask == 0),
        key=lambda pair: -pair[0].bit_count(),
    )
    for its, name in inside:
        if its & left:
            parts.append(name)
            left &= ~its
    return parts if not left and len(parts) <= _MOST_NAMES else []


def _name(match: StringMatch) -> str:
    match match:
        case Exact(text):
            return text or '""'
        case Prefix(text):
            return f"{text}*"
        case Suffix(text):
            return f"*{text}"
        case Regex(text):
            return f"~{text}"
        case Present():
            return "any"


def who(space: Space, mask: int) -> tuple[str, ...]:
    """The callers of a set, the known ones first."""
    number = space.keys.index(CALLER)
    found = [space.values[number][n] for n in values_in(mask)]
    callers = [each for each in found if isinstance(each, Caller)]
    ordered = [c.name for c in callers if c.known] + [c.name for c in callers if not c.known]
    return tuple(dict.fromkeys(ordered))


def said_request(request: Request) -> str:
    """A request as one would write it for curl; of one that is not HTTP, what it is and where to."""
    if request.raw:
        name = (
            request.authority if ":" in request.authority else f"{request.authority}:{request.port}"
        )
        return f"{'TLS' if request.tls else 'TCP'} to {name}"
    scheme = "https" if request.way is Way.GATEWAY and request.tls else "http"
    default = {"http": 80, "https": 443}[scheme]
    port = f":{request.port}" if request.port != default and ":" not in request.authority else ""
    headers = "".join(f" -H '{name}: {value}'" for name, value in request.headers)
    claims = f" with the claims {dict(request.claims)}" if request.claims is not None else ""
    return f"{request.method} {scheme}://{request.authority}{port}{request.path}{headers}{claims}"
