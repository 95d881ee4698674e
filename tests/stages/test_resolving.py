"""A pod is resolved whole, or the first thing that is missing is named in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lateen.api.fields import dec_hook
from lateen.api.kinds import kind_of
from lateen.api.objects import Obj
from lateen.base.origin import ObjectKey
from lateen.build.built import Built
from lateen.node.protocol import PodRun
from lateen.stages.resolving import Waiting, pod_run


def obj(raw: dict[str, Any]) -> Obj:
    kind = kind_of("", raw["kind"])
    assert kind is not None
    typed = msgspec.convert(raw, kind.struct, dec_hook=dec_hook)
    meta = raw["metadata"]
    key = ObjectKey(group="", kind=kind.kind, namespace=meta["namespace"], name=meta["name"])
    return Obj(key=key, raw=raw, typed=typed)


CONFIG = obj(
    {
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop"},
        "data": {"COLOUR": "blue", "file.txt": "hello"},
    }
)
SECRET = obj(
    {
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "shop"},
        "data": {"url": "cG9zdGdyZXM6Ly8="},
    }
)


def pod(container: dict[str, Any], **spec: Any) -> Obj:
    return obj(
        {
            "kind": "Pod",
            "metadata": {"name": "web-0", "namespace": "shop", "uid": "u1", "labels": {"a": "b"}},
            "spec": {"containers": [{"name": "web", "image": "web:1", **container}], **spec},
            "status": {"podIP": "198.18.0.20"},
        }
    )


def built() -> Built:
    return Built(
        image="web:1",
        entrypoint=("serve",),
        cmd=("--port", "80"),
        cwd="/app",
        env=(("HOME", "/"),),
        mounts=(("/host/out/app", "/app", False),),
        ports=(),
        user="",
        warnings=(),
        digest="",
    )


def resolve(pod_obj: Obj) -> PodRun | Waiting:
    known = {o.key: o for o in (CONFIG, SECRET)}
    return pod_run(pod_obj, lookup=known.get, images={"web:1": built()}, proxy=None)


def resolved(pod_obj: Obj) -> PodRun:
    run = resolve(pod_obj)
    assert isinstance(run, PodRun), run
    return run


def env_of(run: PodRun) -> dict[str, str]:
    return dict(run.containers[0].env)


def test_the_image_gives_command_folder_and_environment() -> None:
    container = resolved(pod({})).containers[0]
    assert container.argv == ("serve", "--port", "80")
    assert container.cwd == "/app"
    assert dict(container.env) == {"HOME": "/"}


@pytest.mark.parametrize(
    ("given", "argv"),
    [
        ({"args": ["--port", "81"]}, ("serve", "--port", "81")),
        ({"command": ["sh"]}, ("/usr/bin/sh",)),
        ({"command": ["sh"], "args": ["-c", "x"]}, ("/usr/bin/sh", "-c", "x")),
    ],
)
def test_command_replaces_entrypoint_and_drops_cmd_and_args_replace_cmd(
    given: dict[str, Any], argv: tuple[str, ...]
) -> None:
    assert resolved(pod(given)).containers[0].argv == argv


def test_variables_come_from_values_keys_fields_and_earlier_ones() -> None:
    env = env_of(
        resolved(
            pod(
                {
                    "env": [
                        {"name": "A", "value": "1"},
                        {"name": "B", "value": "$(A)2 $(NONE) $$(A)"},
                        {
                            "name": "URL",
                            "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}},
                        },
                        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                        {
                            "name": "LABEL",
                            "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}},
                        },
                    ]
                }
            )
        )
    )
    assert env["B"] == "12 $(NONE) $(A)"
    assert (env["URL"], env["IP"], env["LABEL"]) == ("postgres://", "198.18.0.20", "b")


def test_env_from_takes_all_keys_and_env_wins_over_it() -> None:
    container = {
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}],
        "env": [{"name": "P_COLOUR", "value": "red"}],
    }
    assert env_of(resolved(pod(container)))["P_COLOUR"] == "red"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"secretKeyRef": {"name": "nope", "key": "x"}}, 'secret "nope" not found'),
        ({"secretKeyRef": {"name": "db", "key": "x"}}, "couldn't find key x in Secret shop/db"),
        ({"configMapKeyRef": {"name": "nope", "key": "x"}}, 'configmap "nope" not found'),
    ],
)
def test_what_is_missing_is_named_as_kubernetes_names_it(
    source: dict[str, Any], words: str
) -> None:
    waiting = resolve(pod({"env": [{"name": "X", "valueFrom": source}]}))
    assert waiting == Waiting(reason="CreateContainerConfigError", message=words)


def test_an_optional_reference_may_lead_nowhere() -> None:
    source = {"secretKeyRef": {"name": "nope", "key": "x", "optional": True}}
    assert "X" not in env_of(resolved(pod({"env": [{"name": "X", "valueFrom": source}]})))


def test_volumes_carry_their_files_with_modes() -> None:
    volumes = [
        {"name": "all", "configMap": {"name": "settings", "defaultMode": 0o400}},
        {"name": "one", "secret": {"secretName": "db", "items": [{"key": "url", "path": "u"}]}},
        {"name": "tmp", "emptyDir": {}},
    ]
    everything, one, tmp = resolved(pod({}, volumes=volumes)).volumes
    assert {(f.path, f.mode) for f in everything.files} == {("COLOUR", 0o400), ("file.txt", 0o400)}
    assert [(f.path, f.content) for f in one.files] == [("u", b"postgres://")]
    assert tmp.empty_dir
