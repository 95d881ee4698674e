"""`lateen diff`: twenty prepared pairs, the forms of its output, revisions, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from lateen.api.objects import Obj
from lateen.cli.differing import Comparison, compare, run_diff
from lateen.cli.difftext import NO_CHANGES, as_markdown, as_text
from lateen.cli.main import app
from lateen.stages.drafts import Draft, draft_from
from tests.conftest import Golden

PAIRS = Path(__file__).parents[1] / "cases" / "diff"
ALL = sorted(path.parent for path in PAIRS.glob("*/old.yaml"))


def draft(folder: Path, side: str) -> Draft:
    made = draft_from([str(PAIRS / "base.yaml"), str(folder / f"{side}.yaml")])
    assert not made.refused, made.problems
    return made


def test_there_are_twenty_pairs() -> None:
    assert len([p for p in ALL if p.name.startswith("same-")]) >= 10
    assert len([p for p in ALL if p.name.startswith("changed-")]) >= 10


@pytest.mark.parametrize(
    "folder", [p for p in ALL if p.name.startswith("same-")], ids=lambda p: p.name
)
def test_the_same_in_other_words_changes_no_traffic(folder: Path) -> None:
    old, new = draft(folder, "old"), draft(folder, "new")
    assert as_text(compare(old, new, with_push=False)) == NO_CHANGES
    assert as_text(compare(new, old, with_push=False)) == NO_CHANGES
    assert not compare(old, new).doubts


@pytest.mark.parametrize(
    "folder", [p for p in ALL if p.name.startswith("changed-")], ids=lambda p: p.name
)
def test_a_small_change_of_meaning_is_told(folder: Path, golden: Golden) -> None:
    found = compare(draft(folder, "old"), draft(folder, "new"), with_push=False)
    text = as_text(found).replace(f"{folder}/", "").replace(f"{PAIRS}/", "")
    golden.check(folder / "changes.txt", text.replace("tests/cases/diff/", "") + "\n")
    assert found.changes
    assert not found.doubts


def diff(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["diff", *map(str, words)])
    return done.exit_code, done.output


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders, with one change of weight between them."""
    for side in ("old", "new"):
        folder = tmp_path / side
        folder.mkdir()
        (folder / "base.yaml").write_bytes((PAIRS / "base.yaml").read_bytes())
        text = (PAIRS / "changed-weight" / f"{side}.yaml").read_bytes()
        (folder / f"{side}-rules.yaml").write_bytes(text)  # the name of a file is of no account
    return tmp_path / "old", tmp_path / "new"


def test_the_exit_status_says_whether_traffic_changes(sides: tuple[Path, Path]) -> None:
    old, new = sides
    assert diff(old, old) == (0, "no traffic changes\n\npush: nothing to any of 7 proxies\n")
    assert diff(old, new)[0] == 1
    assert diff(old, new, "--exit-zero")[0] == 0
    status, said = diff(old, new.parent / "nowhere")
    assert status == 2
    assert "nowhere" in said
    assert diff(old)[0] == 2


def test_it_tells_which_proxies_are_touched_and_how_much_they_are_sent(
    sides: tuple[Path, Path],
) -> None:
    status, said = diff(*sides, "-o", "json")
    told = json.loads(said)
    assert status == 1
    assert told["push"]["of"] == 7
    assert [name.rpartition("-")[0][:3] for name in told["push"]["proxies"]] == ["web"]
    assert told["push"]["bytes"] > 0
    (change,) = told["changes"]
    assert change["sources"] == ["web.shop"]
    assert (change["before"], change["after"]) == ("100 % v1", "90 % v1, 10 % v2")
    assert change["example"]["request"] == "GET http://reviews.shop/v1/"


def test_markdown_is_a_comment_for_a_pull_request() -> None:
    folder = PAIRS / "changed-one-method-more"
    text = as_markdown(compare(draft(folder, "old"), draft(folder, "new")))
    assert text.startswith(
        "### Traffic: 1 change of traffic, 1 of security, 1 letting more through"
    )
    row = next(line for line in text.splitlines() if line.startswith("| ⚠️"))
    assert "`DELETE`" in row
    assert "**allowed**" in row
    assert "<details>" in text
    assert "Push: " in text


@pytest.fixture
def repository(sides: tuple[Path, Path], tmp_path: Path) -> Path:
    """A git repository with both sides in `deploy`, one after the other."""
    old, new = sides
    repository = tmp_path / "repository"
    deploy = repository / "deploy"
    deploy.mkdir(parents=True)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    for folder in (old, new):
        for path in deploy.iterdir():
            path.unlink()
        for path in folder.iterdir():
            (deploy / path.name).write_bytes(path.read_bytes())
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", folder.name], check=True)
    return repository


def test_revisions_of_a_repository_are_compared(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    status, said = diff("HEAD~1:deploy", "deploy")
    assert status == 1
    assert "100 % v1 → 90 % v1, 10 % v2" in said
    assert "HEAD~1:deploy/old-rules.yaml:16" in said
    assert diff("--git", "HEAD~1..HEAD", "deploy")[0] == 1
    assert diff("--git", "HEAD..HEAD", "deploy")[0] == 0
    status, said = diff("nobody:deploy", "deploy")
    assert status == 2
    assert "git knows no revision nobody" in said


def test_the_workflow_of_docs_makes_a_comment_of_it(repository: Path) -> None:
    workflow = yaml.safe_load((PAIRS.parents[2] / "docs/ci/lateen.yml").read_text())
    steps = {step.get("name"): step for step in workflow["jobs"]["traffic"]["steps"]}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {"PATH": path, "BASE": "HEAD~1", "MANIFESTS": "deploy"}
    subprocess.run(
        ["sh", "-e", "-c", steps["diff"]["run"]],
        cwd=repository,
        env={**os.environ, **given},
        check=True,
    )
    assert "**90 % v1, 10 % v2**" in (repository / "traffic.md").read_text()


def test_the_running_mesh_is_one_side(
    sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its API tells has no places in files, and no less meaning."""
    old, new = sides
    objects = tuple(
        obj
        for obj in draft_from([str(old)]).objects
        if not obj.meta.owner_references and obj.key.kind != "EndpointSlice"
    )
    asked: list[str] = []

    def objects_of(name: str) -> tuple[Obj, ...]:
        asked.append(name)
        return objects

    monkeypatch.setattr("lateen.cli.meshobjects.objects_of_mesh", objects_of)
    assert diff("mesh:", old)[0] == 0
    status, said = diff("mesh:other", new)
    assert status == 1
    assert "100 % v1 → 90 % v1, 10 % v2" in said
    assert asked == ["default", "other"]


def test_rules_without_workloads_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        "metadata: {name: a}\nspec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}\n"
    )
    status, said = diff(tmp_path, tmp_path)
    assert status == 0
    assert "no workload stands in either" in said


def test_what_is_not_followed_is_said() -> None:
    """A word boundary is beyond the automata: examples only, and it is told."""
    folder = PAIRS / "changed-regex-dot"
    old = draft(folder, "old")
    text = (folder / "new.yaml").read_text().replace("/item.json", r"/item\\b.*")
    found = compare(old, _with(text))
    assert any("word boundary" in doubt for doubt in found.doubts)


def _with(text: str) -> Draft:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return draft_from([str(PAIRS / "base.yaml"), file.name])


def test_a_side_with_nothing_in_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, text = diff(tmp_path / "empty", PAIRS / "base.yaml")
    assert code == 2
    assert f"{tmp_path / 'empty'}: no manifests in it" in text.replace("\n", "")


def test_changes_are_told_before_what_is_pushed_is_worked_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        "lateen.explain.differing.pushing.push", lambda *_: told.append(capsys.readouterr().out)
    )
    web = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: a}]}\n"
    (tmp_path / "one.yaml").write_text(web)
    side = (str(tmp_path / "one.yaml"),)
    assert run_diff(Comparison(old=side, new=side)) == 0
    assert told == [f"{NO_CHANGES}\n"]


def test_a_side_that_cannot_be_read_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("kind: Pod\n  x: [\n")
    code, text = diff(tmp_path / "broken.yaml", PAIRS / "base.yaml")
    assert code == 2
    assert "LAT0003" in text
    assert "of traffic" not in text
