"""What a property says: which requests must never arrive, or always do.

In: YAML's values, under `properties` of a `*.mesh-test.yaml`.      Out: Property, or what is wrong with it.
Before: -                                                           After: properties/proving.py

Names are written NAME.NAMESPACE or NAMESPACE/NAME, or NAME for one in any namespace; `*` stands for any characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct, field

from lateen.ir.match import Exact, Prefix, Present, Regex, StringMatch, Suffix


class Group(Struct, frozen=True, kw_only=True):
    """Some workloads: those that fit one of each kind of names given, and none of the others.

    `outside` True: only what comes in by a gateway, or leaves the mesh; False: only what does not.
    """

    workloads: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_workloads: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    outside: bool | None = None

    def has(self, name: str) -> bool:
        """Whether a workload, NAME.NAMESPACE, is one of them."""
        namespace = name.rpartition(".")[2]
        return (
            (not self.workloads or _named(name, self.workloads))
            and (not self.namespaces or _fits(namespace, self.namespaces))
            and not _named(name, self.not_workloads)
            and not _fits(namespace, self.not_namespaces)
        )


class Asked(Struct, frozen=True, kw_only=True):
    """What the requests look like where they arrive: all that is given holds.

    A header that is None is absent. `token`: whether one that a rule accepts is shown; `mtls`: whether the caller's
    certificate is.
    """

    ports: tuple[int, ...] = ()
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[StringMatch, ...] = ()
    not_paths: tuple[StringMatch, ...] = ()
    headers: tuple[tuple[str, StringMatch | None], ...] = ()
    token: bool | None = None
    mtls: bool | None = None

    @property
    def http(self) -> bool:
        """Whether anything is said that only HTTP has."""
        texts = (self.methods, self.not_methods, self.paths, self.not_paths, self.headers)
        return any(texts) or self.token is not None


class Property(Struct, frozen=True, kw_only=True):
    """Of requests of that kind, from some to some: none arrives, or (`always`) every one does."""

    name: str
    always: bool = False
    sources: Group = field(default_factory=Group)
    targets: Group = field(default_factory=Group)
    asked: Asked = field(default_factory=Asked)


Fault = tuple[str, str]  # the field's path; what is wanted there


def read_properties(
    tree: object, at: str = "properties"
) -> tuple[tuple[Property, ...], tuple[Fault, ...]]:
    """The properties of a list, and what is wrong with those that are none."""
    if not isinstance(tree, Sequence) or isinstance(tree, str):
        return (), ((at, f"a list of properties is wanted, not {tree!r}"),)
    made: list[Property] = []
    faults: list[Fault] = []
    for number, each in enumerate(tree):
        found = _property(each, f"{at}[{number}]", faults)
        if found:
            made.append(found)
    return tuple(made), tuple(faults)


_KINDS = ("never", "always")
_GROUP = ("workloads", "namespaces", "notWorkloads", "notNamespaces", "outside")
_ASKED = (
    *("ports", "hosts", "methods", "notMethods", "paths", "notPaths"),
    *("headers", "token", "mtls"),
)


def _property(tree: Any, at: str, faults: list[Fault]) -> Property | None:
    before = len(faults)
    if not isinstance(tree, Mapping):
        faults.append((at, f"a property is wanted, with name and never or always, not {tree!r}"))
        return None
    faults += _unknown(tree, ("name", *_KINDS), at)
    kinds = [kind for kind in _KINDS if kind in tree]
    if len(kinds) != 1 or not isinstance(tree.get("name"), str):
        faults.append((at, "a name is wanted, and one of never and always"))
        return None
    body, inside = tree[kinds[0]], f"{at}.{kinds[0]}"
    if not isinstance(body, Mapping):
        faults.append((inside, f"from, to or both are wanted, not {body!r}"))
        return None
    faults += _unknown(body, ("from", "to"), inside)
    sources, targets = body.get("from") or {}, body.get("to") or {}
    faults += _faults(sources, _GROUP, f"{inside}.from")
    faults += _faults(targets, (*_GROUP, *_ASKED), f"{inside}.to")
    if kinds[0] == "always" and isinstance(targets, Mapping) and not targets.get("hosts"):
        faults.append((f"{inside}.to.hosts", "always is about requests to a host: which?"))
    if len(faults) > before:
        return None
    return Property(
        name=tree["name"],
        always=kinds[0] == "always",
        sources=_group(sources),
        targets=_group(targets),
        asked=_asked(targets),
    )


def _unknown(tree: Mapping[str, Any], known: Sequence[str], at: str) -> Iterator[Fault]:
    for key in tree:
        if key not in known:
            yield f"{at}.{key}", f"not known here; there are {', '.join(known)}"


def _faults(tree: Any, known: Sequence[str], at: str) -> Iterator[Fault]:
    if not isinstance(tree, Mapping):
        yield at, f"{', '.join(known)} are wanted, not {tree!r}"
        return
    yield from _unknown(tree, known, at)
    for key in set(known) & set(tree):
        value = tree[key]
        if key in ("outside", "token", "mtls"):
            if not isinstance(value, bool):
                yield f"{at}.{key}", f"true or false is wanted, not {value!r}"
        elif key == "headers":
            if not isinstance(value, Mapping) or not all(
                isinstance(n, str) and (v is None or isinstance(v, str)) for n, v in value.items()
            ):
                yield f"{at}.{key}", "names with a text, or null for absent, are wanted"
        else:
            kind = int if key == "ports" else str
            if not isinstance(value, list) or not all(type(each) is kind for each in value):
                yield f"{at}.{key}", f"a list of {'numbers' if kind is int else 'texts'} is wanted"


def _group(tree: Mapping[str, Any]) -> Group:
    return Group(
        workloads=tuple(tree.get("workloads", ())),
        namespaces=tuple(tree.get("namespaces", ())),
        not_workloads=tuple(tree.get("notWorkloads", ())),
        not_namespaces=tuple(tree.get("notNamespaces", ())),
        outside=tree.get("outside"),
    )


def _asked(tree: Mapping[str, Any]) -> Asked:
    headers = tree.get("headers", {})
    return Asked(
        ports=tuple(tree.get("ports", ())),
        hosts=tuple(tree.get("hosts", ())),
        methods=tuple(tree.get("methods", ())),
        not_methods=tuple(tree.get("notMethods", ())),
        paths=tuple(map(pattern, tree.get("paths", ()))),
        not_paths=tuple(map(pattern, tree.get("notPaths", ()))),
        headers=tuple(
            (name.lower(), None if text is None else pattern(text))
            for name, text in headers.items()
        ),
        token=tree.get("token"),
        mtls=tree.get("mtls"),
    )


def pattern(text: str) -> StringMatch:
    """`/a/*`, `*.png`, `*`, `~/v[12]/.*` (an RE2 expression), or the text itself."""
    if text.startswith("~"):
        return Regex(text[1:])
    if text == "*":
        return Present()
    if text.endswith("*"):
        return Prefix(text[:-1])
    if text.startswith("*"):
        return Suffix(text[1:])
    return Exact(text)


def _named(name: str, wanted: Sequence[str]) -> bool:
    workload, _, namespace = name.rpartition(".")
    forms = (name, workload, f"{namespace}/{workload}")
    return any(fnmatchcase(form, each) for form in forms for each in wanted)


def _fits(text: str, wanted: Sequence[str]) -> bool:
    return any(fnmatchcase(text, each) for each in wanted)
