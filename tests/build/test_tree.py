"""Which files of a build folder count, and that copies stay inside of the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from lateen.base.errors import BuildFailed
from lateen.base.origin import Place
from lateen.build.files import carry_file_command, copy_into
from lateen.build.steps import CopyIn, FileCommand
from lateen.build.tree import Ignore, digest_of_tree, files_of, read_ignore

AT = Place(file="Dockerfile", line=7)


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)


def names(folder: Path, ignore: Ignore | None) -> list[str]:
    return [path for path, _ in files_of(folder, ignore)]


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ("*.log", ["a.py", "docs/b.log", "docs/c.md"]),
        ("**/*.log", ["a.py", "docs/c.md"]),
        ("docs/", ["a.py", "x.log"]),
        ("docs\n!docs/c.md", ["a.py", "docs/c.md", "x.log"]),
        ("# all\n*\n!a.py", ["a.py"]),
    ],
)
def test_dockerignore_is_followed(tmp_path: Path, rules: str, left: list[str]) -> None:
    folder = tmp_path / "web"
    write(folder, "a.py", "x.log", "docs/b.log", "docs/c.md")
    (tmp_path / "web" / ".dockerignore").write_text(rules)
    found = names(folder, read_ignore(folder))
    assert [n for n in found if n != ".dockerignore"] == left


def test_what_tools_made_is_left_out_unless_it_is_copied_by_name(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "node_modules/x/y.js", "sub/__pycache__/a.pyc", "target/app.jar")
    assert names(tmp_path, read_ignore(tmp_path)) == ["a.py"]
    assert names(tmp_path, read_ignore(tmp_path, ["target/*.jar"])) == ["a.py", "target/app.jar"]


def test_the_digest_tells_names_contents_and_executable_bits(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    digests = [digest_of_tree(tmp_path)]
    (tmp_path / "a").write_text("other")
    digests.append(digest_of_tree(tmp_path))
    (tmp_path / "a").chmod(0o755)
    digests.append(digest_of_tree(tmp_path))
    (tmp_path / "b").rename(tmp_path / "c")
    digests.append(digest_of_tree(tmp_path))
    assert len(set(digests)) == 4
    (tmp_path / "a").touch()
    assert digest_of_tree(tmp_path) == digests[-1]


def copy(root: Path, context: Path, target: str, *sources: str, chmod: str = "") -> None:
    root.mkdir(exist_ok=True)
    step = CopyIn(sources=sources, target=target, place=AT, chmod=chmod)
    copy_into(root, step, context, read_ignore(context, sources))


def test_copy_follows_the_rules_of_docker(tmp_path: Path) -> None:
    context, root = tmp_path / "web", tmp_path / "root"
    write(context, "a.txt", "b.txt", "sub/c.txt", "skipped/d.txt", "app-1.jar")
    (context / ".dockerignore").write_text("skipped\n.dockerignore\n")
    copy(root, context, "/one/", "a.txt")
    copy(root, context, "/renamed", "a.txt")
    copy(root, context, "/inner", "sub")
    copy(root, context, "/many/", "*.txt", "sub")
    copy(root, context, "/app.jar", "app-*.jar", chmod="755")
    copy(root, context, "/all/", ".")
    assert names(root, None) == [
        "all/a.txt", "all/app-1.jar", "all/b.txt", "all/sub/c.txt", "app.jar", "inner/c.txt",
        "many/a.txt", "many/b.txt", "many/c.txt", "one/a.txt", "renamed",
    ]  # fmt: skip
    assert (root / "app.jar").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("source", ["gone.txt", "skipped/d.txt", "../outside.txt", "*.none"])
def test_a_source_that_is_not_there_is_said_with_its_line(tmp_path: Path, source: str) -> None:
    context = tmp_path / "web"
    write(context, "a.txt", "skipped/d.txt")
    write(tmp_path, "outside.txt")
    (context / ".dockerignore").write_text("skipped")
    with pytest.raises(BuildFailed, match=r"Dockerfile:7: COPY .*: no such file in web"):
        copy(tmp_path / "root", context, "/x/", source)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    context, outside = tmp_path / "web", tmp_path / "outside"
    write(context, "a.txt")
    write(outside, "kept.txt")
    (context / "link").symlink_to(outside)
    (context / "file").symlink_to(outside / "kept.txt")
    root = tmp_path / "root"
    copy(root, context, "/", ".")
    for target in ("/link/kept.txt", "/link/", "/link"):
        with pytest.raises(BuildFailed, match="leads out of the image"):
            copy(root, context, target, "a.txt")
    write(context, "deep/link/kept.txt")
    with pytest.raises(OSError, match="leads out"):
        copy(root, context, "/", "deep")
    assert (outside / "kept.txt").read_text() == "kept.txt"


def test_file_commands_work_on_the_image_only(tmp_path: Path) -> None:
    write(tmp_path, "app/run.sh", "app/one.jar", "app/old/x")
    for line in ("chmod +x run.sh", "mv *.jar app.jar", "cp -r app.jar /copy.jar", "rm -rf old",
                 "ln -s app.jar link", "touch sub/new"):  # fmt: skip
        carry_file_command(tmp_path, FileCommand(argv=tuple(line.split()), cwd="/app", place=AT))
    assert names(tmp_path, None) == [
        "app/app.jar", "app/link", "app/run.sh", "app/sub/new", "copy.jar"
    ]  # fmt: skip
    assert (tmp_path / "app" / "run.sh").stat().st_mode & 0o111
    with pytest.raises(BuildFailed, match=r"Dockerfile:7: .*gone is not there"):
        carry_file_command(tmp_path, FileCommand(argv=("mv", "gone", "x"), cwd="/app", place=AT))
