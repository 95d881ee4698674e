"""Read a Dockerfile into stages of instructions.

In: the text and its file name.    Out: Dockerfile.    Source: the Dockerfile reference.
Before: build/words.py             After: build/plan.py
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from lateen.base.errors import BuildFailed
from lateen.base.origin import Place
from lateen.build.words import expand, pairs_of, words_of

BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Copy(Struct, frozen=True, kw_only=True):
    """COPY or a local ADD. `stage` is the name or number of `--from`, or ""."""

    sources: tuple[str, ...]
    target: str
    place: Place
    stage: str = ""
    chmod: str = ""
    is_add: bool = False


class Run(Struct, frozen=True, kw_only=True):
    """RUN: one shell text, or a list of words. `env` holds ENV and ARG as they stand at this line.

    `binds` are its `--mount=type=bind`, as the COPY that shows the command the same files.
    """

    place: Place
    env: tuple[tuple[str, str], ...]
    text: str = ""
    argv: tuple[str, ...] = ()
    binds: tuple[Copy, ...] = ()


class Workdir(Struct, frozen=True, kw_only=True):
    """WORKDIR, absolute or relative to the one before."""

    path: str
    place: Place


class Command(Struct, frozen=True, kw_only=True):
    """ENTRYPOINT or CMD; a shell form is already wrapped into the shell."""

    entrypoint: bool
    argv: tuple[str, ...]
    place: Place


Instruction = Copy | Run | Workdir | Command


class Stage(Struct, frozen=True, kw_only=True):
    """From one FROM to the next. `env` is what its processes get; `ports` what it exposes."""

    base: str
    name: str
    place: Place
    instructions: tuple[Instruction, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    ports: tuple[int, ...] = ()
    user: str = ""


class Dockerfile(Struct, frozen=True, kw_only=True):
    """At least one stage; the last one is the image."""

    stages: tuple[Stage, ...]


@dataclass(slots=True)
class _Open:
    """The stage being read."""

    stage: Stage
    env: dict[str, str]
    args: dict[str, str]
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    instructions: list[Instruction] = field(default_factory=list)

    def scope(self) -> dict[str, str]:
        """What an expansion sees: an ENV hides an ARG of the same name."""
        return {"PATH": BASE_PATH} | self.args | self.env

    def closed(self) -> Stage:
        return replace(
            self.stage, instructions=tuple(self.instructions), env=tuple(self.env.items())
        )


def parse_dockerfile(text: str, name: str, args: Mapping[str, str] | None = None) -> Dockerfile:
    """Read a Dockerfile; `args` are build arguments that override the defaults of ARG.

    Raises BuildFailed with `file:line` for what is malformed or beyond lateen.
    """
    return _Reader(name, dict(args or {})).read(text)


class _Reader:
    def __init__(self, name: str, given: dict[str, str]) -> None:
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        )
        self._name = name
        self._given = {
            "TARGETOS": "linux",
            "TARGETARCH": machine,
            "TARGETPLATFORM": f"linux/{machine}",
            "BUILDPLATFORM": f"linux/{machine}",
        } | given
        self._global: dict[str, str] = dict(self._given)
        self._done: list[Stage] = []
        self._open: _Open | None = None

    def read(self, text: str) -> Dockerfile:
        for place, line in _logical_lines(text, self._name):
            keyword, _, rest = line.partition(" ")
            self._instruction(keyword.upper(), rest.strip(), place)
        if self._open is None:
            raise BuildFailed(f"{self._name}: no FROM, so there is nothing to build")
        return Dockerfile(stages=(*self._done, self._open.closed()))

    def _instruction(self, keyword: str, rest: str, place: Place) -> None:
        flags, rest = _flags(rest) if keyword in {"FROM", "COPY", "ADD", "RUN"} else ([], rest)
        if keyword == "FROM":
            self._from(rest, place)
            return
        if keyword == "ARG" and self._open is None:
            self._global |= self._arg(rest, self._global, place)
            return
        if self._open is None:
            raise BuildFailed(f"{place}: {keyword} before the first FROM")
        self._in_stage(self._open, keyword, rest, flags, place)

    def _in_stage(
        self, at: _Open, keyword: str, rest: str, flags: list[tuple[str, str]], place: Place
    ) -> None:
        match keyword:
            case "ARG":
                at.args |= self._arg(rest, at.scope() | self._global, place)
            case "ENV":
                scope = at.scope()
                at.env |= {k: expand(v, scope) for k, v in pairs_of(rest, place)}
            case "WORKDIR":
                at.instructions.append(Workdir(path=expand(rest, at.scope()), place=place))
            case "COPY" | "ADD":
                at.instructions.append(
                    _copy(rest, dict(flags), at.scope(), place, keyword == "ADD")
                )
            case "RUN":
                env = tuple((at.args | at.env).items())
                argv = _json_form(rest)
                binds = _binds(flags, at.scope(), place)
                text = "" if argv else rest
                run = Run(place=place, env=env, text=text, argv=argv, binds=binds)
                at.instructions.append(run)
            case "ENTRYPOINT" | "CMD":
                argv = _json_form(rest) or ((*at.shell, rest) if rest and rest != "[]" else ())
                command = Command(entrypoint=keyword == "ENTRYPOINT", argv=argv, place=place)
                at.instructions.append(command)
            case "EXPOSE":
                at.stage = replace(at.stage, ports=at.stage.ports + _ports(rest, at, place))
            case "USER":
                at.stage = replace(at.stage, user=expand(rest, at.scope()))
            case "SHELL":
                at.shell = _json_form(rest)
                if not at.shell:
                    raise BuildFailed(f'{place}: SHELL: want a list like ["/bin/bash", "-c"]')
            case "LABEL" | "HEALTHCHECK" | "STOPSIGNAL" | "VOLUME" | "MAINTAINER" | "ONBUILD":
                pass  # Kubernetes has probes, volumes and labels of its own and reads none of these.
            case _:
                raise BuildFailed(f"{place}: {keyword} is not an instruction of a Dockerfile")

    def _from(self, rest: str, place: Place) -> None:
        if self._open is not None:
            self._done.append(self._open.closed())
        words = expand(rest, self._global).split()
        name = ""
        if len(words) == 3 and words[1].upper() == "AS":
            name = words[2].lower()
        elif len(words) != 1:
            raise BuildFailed(f"{place}: want FROM image [AS name]")
        base = words[0]
        parent = next((s for s in reversed(self._done) if s.name and s.name == base.lower()), None)
        stage = Stage(base=base, name=name, place=place, user=parent.user if parent else "")
        env = dict(parent.env) if parent else {}
        self._open = _Open(stage=stage, env=env, args={})

    def _arg(self, rest: str, scope: Mapping[str, str], place: Place) -> dict[str, str]:
        found: dict[str, str] = {}
        for word in words_of(rest, place):
            key, equals, value = word.partition("=")
            if key in self._given:
                found[key] = self._given[key]
            elif equals:
                found[key] = expand(value, dict(scope) | found)
            elif key in self._global:
                found[key] = self._global[key]
        return found


def _logical_lines(text: str, name: str) -> Iterator[tuple[Place, str]]:
    """Lines with their continuations joined, comments and blank lines left out."""
    escape = "\\"
    if found := re.match(r"(?:\s*#.*\n)*?\s*#\s*escape\s*=\s*(\S)", text):
        escape = found.group(1)
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not parts:
            first = number
        goes_on = line.endswith(escape)
        parts.append(line.removesuffix(escape).strip() if goes_on else line)
        if goes_on:
            continue
        yield _checked(Place(file=name, line=first), " ".join(parts))
        parts = []
    if parts:
        yield _checked(Place(file=name, line=first), " ".join(parts))


def _checked(place: Place, line: str) -> tuple[Place, str]:
    keyword = line.split(" ", 1)[0].upper()
    if keyword in {"RUN", "COPY", "ADD"} and re.search(r"(?<![<\w])<<-?[\"']?[A-Za-z_]", line):
        raise BuildFailed(
            f"{place}: {keyword} with a heredoc is not supported; "
            "put the text into a file of the folder and COPY it"
        )
    return place, line.replace("\t", " ")


def _flags(rest: str) -> tuple[list[tuple[str, str]], str]:
    flags: list[tuple[str, str]] = []
    while found := re.match(r"--([a-z-]+)(?:=(\S+))?\s*", rest):
        flags.append((found.group(1), found.group(2) or ""))
        rest = rest[found.end() :]
    return flags, rest


def _binds(
    flags: list[tuple[str, str]], scope: Mapping[str, str], place: Place
) -> tuple[Copy, ...]:
    """The files that `--mount=type=bind` shows. Caches and secrets are the user's own here."""
    binds: list[Copy] = []
    for name, value in flags:
        options = dict(part.partition("=")[::2] for part in expand(value, scope).split(","))
        target = options.get("target") or options.get("dst") or options.get("destination") or ""
        if name == "mount" and options.get("type", "bind") == "bind" and target:
            source = options.get("source") or options.get("src") or "."
            stage = options.get("from", "")
            binds.append(Copy(sources=(source,), target=target, stage=stage, place=place))
    return tuple(binds)


def _json_form(rest: str) -> tuple[str, ...]:
    """The words of a JSON list, or () when it is not one (Docker then takes it as a shell text)."""
    if not rest.startswith("["):
        return ()
    try:
        words = json.loads(rest)
    except ValueError:
        return ()
    return tuple(words) if all(isinstance(word, str) for word in words) else ()


def _copy(
    rest: str, flags: dict[str, str], scope: Mapping[str, str], place: Place, is_add: bool
) -> Copy:
    words = [expand(w, scope) for w in (_json_form(rest) or words_of(rest, place))]
    if len(words) < 2:
        raise BuildFailed(f"{place}: want COPY source… target")
    *sources, target = words
    if is_add and any(re.match(r"(https?|git)://|git@", source) for source in sources):
        raise BuildFailed(f"{place}: ADD from the network is not supported; COPY a local file")
    return Copy(
        sources=tuple(sources),
        target=target,
        place=place,
        stage=expand(flags.get("from", ""), scope),
        chmod=flags.get("chmod", ""),
        is_add=is_add,
    )


def _ports(rest: str, at: _Open, place: Place) -> tuple[int, ...]:
    ports: list[int] = []
    for word in expand(rest, at.scope()).split():
        number, _, protocol = word.partition("/")
        first, _, last = number.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise BuildFailed(f"{place}: EXPOSE {word}: want a port number")
        if protocol.lower() in {"", "tcp"}:
            ports.extend(range(int(first), int(last or first) + 1)[:1024])
    return tuple(ports)
