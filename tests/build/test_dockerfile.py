"""What a Dockerfile says."""

from __future__ import annotations

import pytest

from lateen.base.errors import BuildFailed
from lateen.build.dockerfile import (
    BASE_PATH,
    Command,
    Copy,
    Dockerfile,
    Run,
    Workdir,
    parse_dockerfile,
)


def parse(text: str, **args: str) -> Dockerfile:
    return parse_dockerfile(text, "Dockerfile", args)


def test_stages_have_names_and_bases() -> None:
    file = parse("FROM golang:1.21 AS Builder\nFROM --platform=linux/amd64 alpine:3.18\n")
    assert [(s.base, s.name) for s in file.stages] == [
        ("golang:1.21", "builder"),
        ("alpine:3.18", ""),
    ]


def test_lines_go_on_over_comments_and_blank_lines() -> None:
    file = parse("# first\nFROM a\nRUN one && \\\n  # why\n\n    two \\\n  three\nCMD x\n")
    run = file.stages[0].instructions[0]
    assert isinstance(run, Run)
    assert run.text == "one && two three"
    assert str(run.place) == "Dockerfile:3"
    assert str(file.stages[0].instructions[1].place) == "Dockerfile:8"


def test_the_escape_directive_is_followed() -> None:
    file = parse("# escape=`\nFROM a\nRUN one `\n  two\n")
    run = file.stages[0].instructions[0]
    assert isinstance(run, Run)
    assert run.text == "one two"


def test_variables_come_from_env_and_arg_and_env_wins() -> None:
    file = parse(
        "ARG TAG=3\nFROM python:${TAG}-slim\nARG A=arg\nENV B=env A=${A}-env\n"
        "WORKDIR /srv/$A/${NONE:-else}/${B:+set}/\\$B\n"
    )
    stage = file.stages[0]
    assert stage.base == "python:3-slim"
    workdir = stage.instructions[0]
    assert isinstance(workdir, Workdir)
    assert workdir.path == "/srv/arg-env/else/set/$B"
    assert dict(stage.env) == {"B": "env", "A": "arg-env"}


def test_a_build_argument_overrides_the_default() -> None:
    assert parse("ARG TAG=3\nFROM a:$TAG", TAG="4").stages[0].base == "a:4"


def test_an_argument_from_before_from_needs_an_arg_line_of_its_own() -> None:
    file = parse("ARG V=1\nFROM a\nENV BEFORE=$V\nARG V\nENV AFTER=$V\n")
    assert dict(file.stages[0].env) == {"BEFORE": "", "AFTER": "1"}


def test_the_path_of_the_base_can_be_extended() -> None:
    assert dict(parse("FROM a\nENV PATH=/opt/bin:$PATH").stages[0].env)["PATH"] == (
        f"/opt/bin:{BASE_PATH}"
    )


def test_both_forms_of_env_and_quotes() -> None:
    file = parse("FROM a\nENV ONE two words\nENV A=\"b c\" D='e f' G=h\\ i\n")
    assert dict(file.stages[0].env) == {"ONE": "two words", "A": "b c", "D": "e f", "G": "h i"}


def test_commands_in_both_forms() -> None:
    file = parse(
        'FROM a\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT ["x", "y z"]\nCMD serve --port $P\n'
    )
    entrypoint, cmd = file.stages[0].instructions
    assert isinstance(entrypoint, Command)
    assert isinstance(cmd, Command)
    assert (entrypoint.entrypoint, entrypoint.argv) == (True, ("x", "y z"))
    assert (cmd.entrypoint, cmd.argv) == (False, ("/bin/bash", "-c", "serve --port $P"))


def test_copy_in_both_forms_with_flags() -> None:
    file = parse('FROM a AS b\nFROM c\nCOPY --from=b --chown=1:1 x y/ z/\nCOPY ["a b", "/c d/"]\n')
    first, second = file.stages[1].instructions
    assert isinstance(first, Copy)
    assert isinstance(second, Copy)
    assert (first.stage, first.sources, first.target) == ("b", ("x", "y/"), "z/")
    assert (second.sources, second.target) == (("a b",), "/c d/")


def test_ports_users_and_what_kubernetes_has_its_own_of() -> None:
    file = parse(
        "FROM a\nEXPOSE 80 443/tcp 53/udp 9000-9002\nUSER app\nLABEL a=b\nVOLUME /data\n"
        "HEALTHCHECK CMD curl localhost\nSTOPSIGNAL SIGINT\n"
    )
    assert file.stages[0].ports == (80, 443, 9000, 9001, 9002)
    assert file.stages[0].user == "app"
    assert file.stages[0].instructions == ()


def test_a_stage_inherits_the_environment_of_the_stage_it_starts_from() -> None:
    file = parse("FROM a AS base\nENV X=1\nUSER app\nFROM base\nENV Y=$X\n")
    assert dict(file.stages[1].env) == {"X": "1", "Y": "1"}
    assert file.stages[1].user == "app"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no FROM"),
        ("RUN x", "Dockerfile:1: RUN before the first FROM"),
        ("FROM a\nFORM b", "Dockerfile:2: FORM is not an instruction"),
        ("FROM a b", r"Dockerfile:1: want FROM image \[AS name\]"),
        ("FROM a\nRUN <<EOF\nls\nEOF", "Dockerfile:2: RUN with a heredoc"),
        ("FROM a\nCOPY <<-'END' /x\nhi\nEND", "Dockerfile:2: COPY with a heredoc"),
        ("FROM a\nCOPY x", "Dockerfile:2: want COPY"),
        ("FROM a\nENV x", "Dockerfile:2: want ENV name=value"),
        ("FROM a\nENV x='y", "Dockerfile:2: no closing quotation"),
        ("FROM a\nEXPOSE http", "Dockerfile:2: EXPOSE http: want a port number"),
        ("FROM a\nADD https://host/file /x", "Dockerfile:2: ADD from the network"),
        ("FROM a\nSHELL bash", "Dockerfile:2: SHELL"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BuildFailed, match=said):
        parse(text)
