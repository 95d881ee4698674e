"""Where a mesh keeps its files, and what it was asked to run.

In: the command line and the environment.    Out: Settings, in RUN/settings.json between processes.
Before: cli/up.py       After: app/supervising.py, app/control.py
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import msgspec

from lateen.base import layout
from lateen.base.errors import EnvironmentFault
from lateen.base.observing import Observing

HTTP_PORT, HTTPS_PORT = 8080, 8443
SOCKET_PATH_MAX = 104  # bytes of sockaddr_un.sun_path that every platform has, less one
_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One mesh. `ports` maps Gateway ports to loopback ports of the host, others stay as they are.

    `nodes` are the places of its nodes: `region/zone`, or nothing.
    """

    name: str = "default"
    run: str
    state: str
    cache: str
    paths: tuple[str, ...] = ()
    stdin: str = ""
    folder: str = ""  # the working directory of the command, that paths in messages are relative to
    namespace: str = "default"
    ports: dict[int, int] = msgspec.field(default_factory=lambda: {80: HTTP_PORT, 443: HTTPS_PORT})
    api_port: int = 0
    console_port: int = 0
    nodes: tuple[str, ...] = ("",)
    observing: Observing = msgspec.field(default_factory=Observing)

    @property
    def run_dir(self) -> Path:
        """Sockets and everything else that ends with the mesh."""
        return Path(self.run)

    @property
    def state_dir(self) -> Path:
        """Store, CA and logs, kept from one `up` to the next."""
        return Path(self.state)

    @property
    def cache_dir(self) -> Path:
        """Builds, shared by all meshes."""
        return Path(self.cache)

    @property
    def api_socket(self) -> Path:
        """Where the control plane's HTTP API listens."""
        return self.run_dir / "api.sock"

    def save(self) -> None:
        """Write RUN/settings.json (0600), replacing it whole."""
        write_private(self.run_dir / "settings.json", msgspec.json.encode(self).decode())


def load_settings(run: Path) -> Settings:
    """Read RUN/settings.json; raises FileNotFoundError, msgspec.ValidationError."""
    return msgspec.json.decode((run / "settings.json").read_bytes(), type=Settings)


def directories(name: str) -> tuple[Path, Path, Path]:
    """The run, state and cache directories of a mesh, after the XDG base directory rules.

    `LATEEN_RUN_DIR`, `LATEEN_STATE_DIR` and `LATEEN_CACHE_DIR` override the parents. Raises
    EnvironmentFault when the run directory is too deep for a Unix socket's path, when there is no home,
    or when the name could lead out of these directories, which are removed whole at the end.
    """
    if not _NAME.fullmatch(name):
        raise EnvironmentFault(
            f'"{name}" cannot be a mesh\'s name: wanted letters, digits, "-", "_" and ".", '
            "a letter or digit at both ends"
        )
    env = os.environ
    try:
        home = Path.home()
    except RuntimeError:
        raise EnvironmentFault("this user has no home directory; set HOME") from None
    runtime = env.get("XDG_RUNTIME_DIR", "")
    fallback = Path("/tmp") / f"lateen-{os.getuid()}"  # noqa: S108 - made 0700 and its owner checked
    run = Path(env.get("LATEEN_RUN_DIR") or (Path(runtime) / "lateen" if runtime else fallback))
    state_home = Path(env.get("XDG_STATE_HOME") or home / ".local/state")
    state = Path(env.get("LATEEN_STATE_DIR") or state_home / "lateen")
    cache_home = Path(env.get("XDG_CACHE_HOME") or home / ".cache")
    cache = Path(env.get("LATEEN_CACHE_DIR") or cache_home / "lateen")
    deepest = (run / name).absolute()
    if len(str(deepest)) + len(layout.LONGEST_SOCKET) > SOCKET_PATH_MAX:
        raise EnvironmentFault(
            f"{deepest} is too long a path for Unix sockets; set LATEEN_RUN_DIR to a shorter one"
        )
    return deepest, (state / name).absolute(), cache.absolute()


def make_private(folder: Path) -> None:
    """Make a folder 0700 that is ours, parents included; raises EnvironmentFault if it is not ours.

    Nor may another user be able to put a folder of theirs in its place, so its parent is ours or
    root's, and if everyone may write to it, it is sticky as /tmp is.
    """
    try:
        for part in (folder.parent, folder):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise EnvironmentFault(f"{folder} cannot be made ({fault.strerror})") from None
    own, above = folder.lstat(), folder.parent.stat()
    open_to_others = above.st_mode & 0o002 and not above.st_mode & stat.S_ISVTX
    if stat.S_ISLNK(own.st_mode) or own.st_uid != os.getuid():
        raise EnvironmentFault(f"{folder} belongs to someone else; remove it or set LATEEN_RUN_DIR")
    if above.st_uid not in (0, os.getuid()) or open_to_others:
        raise EnvironmentFault(
            f"{folder.parent} can be changed by others; make it yours alone or set LATEEN_RUN_DIR"
        )
    folder.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, replacing it whole."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)
