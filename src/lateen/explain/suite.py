"""The form of a `*.mesh-test.yaml`: requests, and what is to become of them.

In: YAML text.           Out: Suite, or problems with file, line and field.
Before: api/tree.py      After: expecting.py, stages/rehearsing.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from lateen.api.codes import BAD_FIELD, NOT_YAML
from lateen.api.objects import FieldPlaces
from lateen.api.tree import read_documents
from lateen.base.origin import Origin
from lateen.base.problem import Level, Problem

_SECONDS = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SPAN = re.compile(r"(?P<low>[0-9.]+)\s*\.\.\s*(?P<high>[0-9.]+)")
_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_DEFAULT_SLACK = 0.05  # percent


class Retries(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """Retries in force, as in a VirtualService; `retryOn` has words that must be among those in force."""

    attempts: int | None = None
    retry_on: str | None = None
    per_try_timeout: str | float | None = None


class Expect(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """What is to become of a request; what is left out does not matter.

    `reaches` names workloads (`web-v1`, `shop/web-v1`), subsets (`web/v1`) or hosts outside: one, all
    that may be reached, or each with its share in percent (`90`, `85..95`). `status` is one, or all
    there may be. `path`, `host` and `headers` (null: absent) are what who answers is sent, `redirect` where
    the client is sent, `through` pods' proxies on the way. `mtls` says whether the mesh encrypts all of
    the way, `required` that who answers asks for it. `deniedBy` is an AuthorizationPolicy, `none` if no
    ALLOW policy lets it in, `token` for one that is not accepted. `egress: refused`: no app answers.
    """

    reaches: str | tuple[str, ...] | dict[str, str | float] | None = None
    status: int | tuple[int, ...] | None = None
    path: str | None = None
    host: str | None = None
    headers: dict[str, str | None] | None = None
    redirect: str | None = None
    retries: Retries | None = None
    timeout: str | float | None = None
    delay: str | float | None = None
    mtls: bool | Literal["required"] | None = None
    denied_by: str | None = None
    egress: Literal["refused", "allowed"] | None = None
    through: str | tuple[str, ...] | None = None
    copied_to: str | tuple[str, ...] | None = None


class Case(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """One request (`[METHOD] URL`), who sends it (a workload, or `outside`), and what is expected."""

    request: str
    expect: Expect
    name: str = ""
    from_: str = msgspec.field(default="", name="from")
    via: str = ""
    headers: dict[str, str] = {}
    claims: dict[str, Any] | None = None
    token: str = ""
    ip: str = ""
    times: int = 0


class Suite(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """A file of tests. `files` are the manifests, relative to it; without any its folder is read.

    `from`, `via` and `namespace` hold for tests that do not say otherwise. `properties` are about all
    requests at once.
    """

    tests: tuple[Case, ...] = ()
    files: tuple[str, ...] = ()
    from_: str = msgspec.field(default="", name="from")
    via: str = ""
    namespace: str = "default"
    properties: tuple[Any, ...] = ()


class Read(msgspec.Struct, frozen=True):
    """A file as it was read: its suites with the places of their fields, and what is wrong."""

    suites: tuple[tuple[Suite, FieldPlaces], ...]
    problems: tuple[Problem, ...] = ()


def read_suites(text: str, file: str) -> Read:
    """Read a file's documents; what is wrong in one is told with its line, and the others are read."""
    documents, problems = read_documents(text, file)
    suites: list[tuple[Suite, FieldPlaces]] = []
    found = list(problems)
    for document in documents:
        places = FieldPlaces(file=file, places=document.places)
        try:
            suite = msgspec.convert(document.value, Suite)
        except msgspec.ValidationError as fault:
            found.append(_problem(str(fault), places))
            continue
        wrong = [_fault(path, words, places) for path, words in _faults(suite)]
        found += wrong
        if not wrong:
            suites.append((suite, places))
    if not documents and not found:
        found.append(_fault("", "no tests in it", FieldPlaces(file=file), NOT_YAML))
    return Read(suites=tuple(suites), problems=tuple(found))


def _problem(words: str, places: FieldPlaces) -> Problem:
    """msgspec's words, with the field taken out of them."""
    at = _AT.search(words)
    path = at["path"] if at else ""
    return _fault(path, words[: at.start()] if at else words, places)


def _fault(path: str, words: str, places: FieldPlaces, code: str = BAD_FIELD) -> Problem:
    origin = Origin(field=path, place=places.of(path))
    return Problem(code=code, level=Level.ERROR, origin=origin, message=words)


def _faults(suite: Suite) -> list[tuple[str, str]]:
    """What the types let pass."""
    from lateen.base.errors import LateenError
    from lateen.explain.asking import ask_of
    from lateen.explain.properties.forms import read_properties

    found: list[tuple[str, str]] = []
    for number, case in enumerate(suite.tests):
        at = f"tests[{number}]"
        try:
            ask_of(*split_request(case.request))
        except LateenError as fault:
            found.append((f"{at}.request", str(fault)))
        for name in ("timeout", "delay"):
            given = getattr(case.expect, name)
            if given is not None and seconds_of(given) is None:
                found.append(
                    (f"{at}.expect.{name}", f"{given!r} is no time: wanted 1.5s, 200ms, 2m")
                )
        reaches = case.expect.reaches
        for word, share in (reaches if isinstance(reaches, Mapping) else {}).items():
            if span_of(share) is None:
                words = f"{share!r} is no share: wanted percent, 90 or 85..95"
                found.append((f"{at}.expect.reaches.{word}", words))
        if case.claims is not None and case.token:
            found.append((at, "claims or token, not both"))
    return [*found, *read_properties(suite.properties)[1]]


def split_request(text: str) -> tuple[str, str]:
    """The method (GET unless given) and the URL."""
    method, _, url = text.strip().rpartition(" ")
    return method.strip() or "GET", url


def seconds_of(given: str | float) -> float | None:
    """`1.5s`, `200ms`, `2m` or a number, in seconds; `none` is 0; None for anything else."""
    if isinstance(given, int | float):
        return float(given)
    if given == "none":
        return 0.0
    found = _SECONDS.fullmatch(given)
    return float(found["number"]) * _UNITS[found["unit"] or "s"] if found else None


def span_of(share: str | float) -> tuple[float, float] | None:
    """The bounds of a share in percent: `90`, `85..95`; None for anything else."""
    if isinstance(share, int | float):
        return share - _DEFAULT_SLACK, share + _DEFAULT_SLACK
    bare = share.replace("%", "").strip()
    if found := _SPAN.fullmatch(bare):
        return float(found["low"]), float(found["high"])
    try:
        return float(bare) - _DEFAULT_SLACK, float(bare) + _DEFAULT_SLACK
    except ValueError:
        return None


def schema() -> dict[str, Any]:
    """The JSON schema of the file, for editors."""
    made = msgspec.json.schema(Suite)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mesh-test"} | made
