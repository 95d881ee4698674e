"""Which language a base image brings along, told by its name and tag.

In: the image after FROM, or the names of system packages.    Out: Need, or None.
Before: build/steps.py       After: build/plan.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lateen.build.source import repository_of
from lateen.build.steps import Need, Tool

_PLAIN = frozenset(
    [
        "scratch",
        "alpine",
        "debian",
        "ubuntu",
        "busybox",
        "fedora",
        "rockylinux",
        "almalinux",
        "amazonlinux",
        "archlinux",
        "buildpack-deps",
        "ubi",
        "ubi-minimal",
        "ubi-micro",
        "ubi8",
        "ubi9",
        "static",
        "static-debian12",
        "static-debian11",
        "base",
        "base-debian12",
        "base-debian11",
        "cc",
        "cc-debian12",
        "wolfi-base",
        "glibc-dynamic",
    ]
)
_BY_NAME = {
    "python": Tool.PYTHON,
    "golang": Tool.GO,
    "go": Tool.GO,
    "node": Tool.NODE,
    "openjdk": Tool.JDK,
    "eclipse-temurin": Tool.JDK,
    "amazoncorretto": Tool.JDK,
    "ibm-semeru-runtimes": Tool.JDK,
    "sapmachine": Tool.JDK,
    "zulu-openjdk": Tool.JDK,
    "zulu-openjdk-alpine": Tool.JDK,
    "liberica-openjdk-alpine": Tool.JDK,
    "liberica-openjdk-debian": Tool.JDK,
    "liberica-runtime-container": Tool.JDK,
    "maven": Tool.JDK,
    "gradle": Tool.JDK,
}
_DISTROLESS = re.compile(r"(python|nodejs|java)-?([\d.]*)")
_PACKAGES = (
    (re.compile(r"python3?(?:[.\d]*)(?:-(?:minimal|pip|venv|dev|full))?|py3-pip"), Tool.PYTHON),
    (re.compile(r"nodejs(?:-current)?|npm"), Tool.NODE),
    (re.compile(r"golang(?:-go|-[\d.]+)?|go"), Tool.GO),
    (re.compile(r"(?:default|openjdk-?\d+|java-\d+-openjdk).*"), Tool.JDK),
)


def is_plain(base: str) -> bool:
    """Whether the base is a known operating system without a language of its own."""
    return repository_of(base).rpartition("/")[2] in _PLAIN


def need_of_base(base: str) -> Need | None:
    """What a base image brings: `python:3.11-slim` is Python 3.11; None for one not known to."""
    repository = repository_of(base)
    name = repository.rpartition("/")[2]
    tag = base.split("@", 1)[0][len(repository) :].removeprefix(":")
    if name == "uv" and (found := re.search(r"python(3[.\d]*)", tag)):
        return Need(tool=Tool.PYTHON, version=version_of(found.group(1)))
    if "distroless" in repository and (found := _DISTROLESS.match(name)):
        tool = {"python": Tool.PYTHON, "nodejs": Tool.NODE, "java": Tool.JDK}[found.group(1)]
        version = version_of(found.group(2))
        return Need(tool=tool, version=() if tool is Tool.PYTHON else version)
    tool_ = _BY_NAME.get(name)
    if tool_ is None:
        return None
    if name in {"maven", "gradle"}:
        # maven:3.9-eclipse-temurin-17, gradle:8.5-jdk17: the first number is the builder's own.
        later = re.search(r"(?:jdk|temurin-|corretto-|openjdk-|zulu-|-)(\d{2})(?!\.?\d)", tag)
        return Need(tool=tool_, version=version_of(later.group(1)) if later else (), compiler=True)
    return Need(tool=tool_, version=version_of(tag))


def need_of_packages(names: Iterable[str]) -> Need | None:
    """The language that one of these system packages installs, if any."""
    for name in names:
        for pattern, tool in _PACKAGES:
            if pattern.fullmatch(name):
                number = re.search(r"\d{2}", name) if tool is Tool.JDK else None
                return Need(tool=tool, version=(int(number.group()),) if number else ())
    return None


def version_of(text: str) -> tuple[int, ...]:
    """The numbers a tag begins with: `3.11-slim` → (3, 11), `latest` → ()."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found.group(1).split(".")[:3]) if found else ()
