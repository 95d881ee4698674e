"""The functions that Kubernetes adds to CEL, declared for the library that evaluates it.

In: api/celvalues.py.    Out: `functions`, in the library's own form.
Before: api/celvalues.py        After: api/cel.py

Lists, sets, URLs, quantities, IP and CIDR, formats, semantic versions, the authorizer. `find` and `findAll` are
not among them: CEL's regular expressions are RE2's, which this library offers only for `matches`.

Source: k8s.io/apiserver pkg/cel/library; cel-go ext/sets.go.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from lateen.api import celvalues as v

Authorize = Callable[[dict[str, str]], tuple[bool, str]]
AUTHORIZER = "kubernetes.authorization.Authorizer"
DECISION = "kubernetes.authorization.Decision"
_asking: ContextVar[Authorize | None] = ContextVar("authorize", default=None)


@contextmanager
def authorizing(authorize: Authorize | None) -> Iterator[None]:
    """While it is open, `authorizer` in expressions asks this."""
    token = _asking.set(authorize)
    try:
        yield
    finally:
        _asking.reset(token)


@dataclass(slots=True)
class _Library:
    """Gathers declarations; `cel` is the library's module, which is loaded late."""

    cel: Any
    overloads: dict[str, list[Any]] = field(default_factory=dict)

    def declare(self, name: str, types: str, impl: Callable[..., Any], *, member: bool) -> None:
        """`types` are the letters of the parameters and, last, of the result."""
        kinds = self.cel.Type
        known = {
            "d": kinds.DYN,
            "s": kinds.STRING,
            "i": kinds.INT,
            "b": kinds.BOOL,
            "l": kinds.List(kinds.DYN),
            "f": kinds.DOUBLE,
            "m": kinds.Map(kinds.STRING, kinds.DYN),
        }
        *given, result = (known[letter] for letter in types)
        identity = f"k8s_{name}_{types}_{'member' if member else 'global'}"
        made = self.cel.Overload(identity, result, given, member, impl=impl)
        self.overloads.setdefault(name, []).append(made)

    def function(self, name: str, types: str, impl: Callable[..., Any]) -> None:
        """A function that is called by its name."""
        self.declare(name, types, impl, member=False)

    def member(self, name: str, types: str, impl: Callable[..., Any]) -> None:
        """A function that is called on its first parameter."""
        self.declare(name, types, impl, member=True)


def extension(cel: Any) -> Any:
    """All of them as one extension; it has to come after those whose functions it adds overloads to."""
    library = _Library(cel)
    for declare in (_lists, _quantities, _comparisons, _addresses, _urls, _formats, _authorizer):
        declare(library)
    declared = [cel.FunctionDecl(name, made) for name, made in library.overloads.items()]
    return cel.CelExtension("kubernetes", declared)


def _lists(library: _Library) -> None:
    library.member("isSorted", "lb", lambda items: all(a <= b for a, b in _pairs(items)))
    library.member("sum", "ld", sum)
    library.member("min", "ld", lambda items: min(_some(items)))
    library.member("max", "ld", lambda items: max(_some(items)))
    library.member("indexOf", "ldi", lambda items, one: items.index(one) if one in items else -1)
    library.member("lastIndexOf", "ldi", _last_index)
    library.function("sets.contains", "llb", lambda one, two: all(x in one for x in two))
    library.function("sets.intersects", "llb", lambda one, two: any(x in one for x in two))
    library.function(
        "sets.equivalent",
        "llb",
        lambda one, two: all(x in one for x in two) and all(x in two for x in one),
    )


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    return itertools.pairwise(items)


def _some(items: list[Any]) -> list[Any]:
    if not items:
        raise ValueError("min and max of an empty list are not defined")
    return items


def _last_index(items: list[Any], one: Any) -> int:
    return max((index for index, item in enumerate(items) if item == one), default=-1)


def _quantities(library: _Library) -> None:
    library.function("quantity", "sd", v.quantity)
    library.function("isQuantity", "sb", v.can(v.quantity))
    library.member("sign", "di", lambda q: (v.amount_of(q) > 0) - (v.amount_of(q) < 0))
    library.member("add", "ddd", lambda q, r: v.from_amount(v.amount_of(q) + _amount(r)))
    library.member("sub", "ddd", lambda q, r: v.from_amount(v.amount_of(q) - _amount(r)))
    library.member("isInteger", "db", lambda q: v.amount_of(q).denominator == 1)
    library.member("asInteger", "di", _as_integer)
    library.member("asApproximateFloat", "df", lambda q: float(v.amount_of(q)))


def _amount(value: Any) -> Any:
    return value if isinstance(value, int) else v.amount_of(value)


def _as_integer(value: Any) -> int:
    amount = v.amount_of(value)
    if amount.denominator != 1 or not -(2**63) <= amount < 2**63:
        raise ValueError("cannot convert value to integer")
    return int(amount)


def _comparisons(library: _Library) -> None:
    library.function("semver", "sd", v.semver)
    library.function("isSemver", "sb", v.can(v.semver))
    for index, name in enumerate(("major", "minor", "patch")):
        library.member(name, "di", lambda s, at=index: v.part(s, v.SEMVER, "numbers")[at])
    library.member("isGreaterThan", "ddb", lambda one, two: _order(one) > _order(two))
    library.member("isLessThan", "ddb", lambda one, two: _order(one) < _order(two))
    library.member("compareTo", "ddi", _compared)


def _compared(one: Any, two: Any) -> int:
    before, after = _order(one), _order(two)
    return 1 if before > after else -1 if before < after else 0


def _order(value: Any) -> Any:
    return v.semver_order(value) if v.kind_of_value(value) == v.SEMVER else (v.amount_of(value),)


def _addresses(library: _Library) -> None:
    library.function("ip", "sd", v.ip)
    library.function("isIP", "sb", v.can(v.ip))
    library.function("ip.isCanonical", "sb", lambda text: str(v.address(text)) == text)
    library.function("cidr", "sd", v.cidr)
    library.function("isCIDR", "sb", v.can(v.cidr))
    library.function("string", "ms", _as_text)
    library.member("family", "di", lambda value: _address(value).version)
    library.member("isUnspecified", "db", lambda value: _address(value).is_unspecified)
    library.member("isLoopback", "db", lambda value: _address(value).is_loopback)
    library.member(
        "isLinkLocalMulticast",
        "db",
        lambda value: str(_address(value)).startswith(("224.0.0.", "ff02:")),
    )
    library.member("isLinkLocalUnicast", "db", lambda value: _address(value).is_link_local)
    library.member("isGlobalUnicast", "db", _is_global_unicast)
    library.member("containsIP", "ddb", lambda net, one: _address(one) in v.network_of(net))
    library.member("containsCIDR", "ddb", _contains_network)
    library.member("ip", "dd", lambda net: v.ip(v.part(net, v.CIDR, "address")))
    library.member("masked", "dd", lambda net: v.cidr(str(v.network_of(net))))
    library.member("prefixLength", "di", lambda net: v.part(net, v.CIDR, "length"))


def _address(value: Any) -> v.Address:
    if v.kind_of_value(value) == v.CIDR:
        return v.address(v.part(value, v.CIDR, "address"))
    return v.address(value if isinstance(value, str) else v.part(value, v.IP, "address"))


def _is_global_unicast(value: Any) -> bool:
    """As Go's net: private addresses are."""
    one = _address(value)
    return not (
        one.is_unspecified
        or one.is_loopback
        or one.is_multicast
        or one.is_link_local
        or str(one) == "255.255.255.255"
    )


def _contains_network(whole: Any, other: Any) -> bool:
    inner = v.network_of(v.cidr(other) if isinstance(other, str) else other)
    outer = v.network_of(whole)
    same = inner.version == outer.version and inner.prefixlen >= outer.prefixlen
    return same and inner.network_address in outer


def _as_text(value: Any) -> str:
    match v.kind_of_value(value):
        case v.IP:
            return str(value["address"])
        case v.CIDR:
            return f"{value['address']}/{value['length']}"
    raise ValueError("no such overload")


def _urls(library: _Library) -> None:
    library.function("url", "sd", v.url)
    library.function("isURL", "sb", v.can(v.url))
    for name, key in (
        ("getScheme", "scheme"),
        ("getHost", "host"),
        ("getHostname", "hostname"),
        ("getPort", "port"),
        ("getEscapedPath", "path"),
        ("getQuery", "query"),
    ):
        library.member(name, "dd", lambda value, key=key: v.part(value, v.URL, key))


def _formats(library: _Library) -> None:
    for name in v.FORMATS:
        library.function(f"format.{name}", "d", lambda name=name: v.tagged(v.FORMAT, name=name))
    library.function("format.named", "sd", _named_format)
    library.member("validate", "dsd", v.validated)
    # What may be missing; `optional` values of CEL's own have these as well.
    library.member("hasValue", "mb", lambda value: v.part(value, v.MAYBE, "value") is not None)
    library.member("value", "md", _value_of)


def _named_format(name: str) -> v.Value:
    found = v.tagged(v.FORMAT, name=name) if name in v.FORMATS else None
    return v.tagged(v.MAYBE, value=found)


def _value_of(value: Any) -> Any:
    found = v.part(value, v.MAYBE, "value")
    if found is None:
        raise ValueError("optional.none() dereference")
    return found


def _authorizer(library: _Library) -> None:
    def adding(name: str) -> Callable[[Any, str], v.Value]:
        return lambda asked, text: v.tagged(AUTHORIZER, asked=_asked(asked) | {name: text})

    for name in ("path", "group", "resource", "subresource", "namespace", "name"):
        library.member(name, "dsd", adding(name))
    library.member("serviceAccount", "dssd", _as_account)
    library.member("check", "dsd", _checked)
    library.member("allowed", "db", lambda said: v.part(said, DECISION, "allowed"))
    library.member("reason", "ds", lambda said: v.part(said, DECISION, "reason"))


def _asked(value: Any) -> dict[str, str]:
    asked: dict[str, str] = v.part(value, AUTHORIZER, "asked")
    return asked


def _as_account(value: Any, namespace: str, name: str) -> v.Value:
    account = f"system:serviceaccount:{namespace}:{name}"
    return v.tagged(AUTHORIZER, asked=_asked(value) | {"user": account})


def _checked(value: Any, verb: str) -> v.Value:
    authorize = _asking.get()
    if authorize is None:
        raise ValueError("there is no authorizer here")
    allowed, reason = authorize(_asked(value) | {"verb": verb})
    return v.tagged(DECISION, allowed=allowed, reason=reason)
