"""A pod is resolved whole, or the first thing that is missing is named in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lateen.api.fields import Api, dec_hook
from lateen.api.kinds import kind_of
from lateen.api.objects import Obj
from lateen.api.pod import Pod, TokenProjection
from lateen.base.origin import ObjectKey
from lateen.build.built import Built
from lateen.node.protocol import HostPath, Limits, PodRun
from lateen.stages.podvolumes import VolumeSources
from lateen.stages.resolving import ACCOUNT_PATH, Waiting, pod_run


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


def token(pod: Pod, asked: TokenProjection) -> str:
    return f"{pod.metadata.name} for {asked.audience} for {asked.expiration_seconds}s"


def resolve(pod_obj: Obj, *others: Obj) -> PodRun | Waiting:
    known = {o.key: o for o in (CONFIG, SECRET, *others)}
    sources = VolumeSources(lookup=known.get, kept="/state/volumes", token=token)
    return pod_run(pod_obj, sources=sources, images={"web:1": built()}, proxy=None, links={})


def resolved(pod_obj: Obj, *others: Obj) -> PodRun:
    run = resolve(pod_obj, *others)
    assert isinstance(run, PodRun), run
    return run


def env_of(run: PodRun) -> dict[str, str]:
    return dict(run.containers[0].env)


def test_the_image_gives_command_folder_and_environment() -> None:
    container = resolved(pod({})).containers[0]
    assert container.argv == ("serve", "--port", "80")
    assert container.cwd == "/app"
    assert container.env[0] == ("HOME", "/")


def test_an_app_is_told_where_to_send_spans_unless_it_knows() -> None:
    told = env_of(resolved(pod({})))
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://198.18.0.1:4318"
    assert told["OTEL_SERVICE_NAME"] == "web-0.shop"
    assert told["OTEL_METRICS_EXPORTER"] == "none"
    assert "k8s.pod.name=web-0" in told["OTEL_RESOURCE_ATTRIBUTES"]
    mine = {"env": [{"name": "OTEL_SERVICE_NAME", "value": "mine"}]}
    assert env_of(resolved(pod(mine)))["OTEL_SERVICE_NAME"] == "mine"
    elsewhere = {"env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://tempo:4317"}]}
    told = env_of(resolved(pod(elsewhere)))
    assert [name for name in told if name.startswith("OTEL")] == ["OTEL_EXPORTER_OTLP_ENDPOINT"]


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


def bare(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> Obj:
    """An object whose tree is all that matters."""
    raw = {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    key = ObjectKey(group="", kind=kind, namespace=namespace, name=name)
    return Obj(key=key, raw=raw, typed=Api())


def test_resources_are_told_in_divisors_rounded_up_and_limits_default_to_the_machine() -> None:
    def asked(resource: str, divisor: str = "1") -> dict[str, Any]:
        return {
            "name": f"{resource}/{divisor}",
            "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}},
        }

    env = env_of(
        resolved(
            pod(
                {
                    "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi"}},
                    "env": [
                        asked("requests.cpu"),
                        asked("requests.cpu", "1m"),
                        asked("limits.memory", "1Mi"),
                        asked("requests.memory"),
                        asked("limits.cpu"),
                    ],
                }
            )
        )
    )
    assert env["requests.cpu/1"] == "1"
    assert env["requests.cpu/1m"] == "250"
    assert env["limits.memory/1Mi"] == "64"
    assert env["requests.memory/1"] == str(64 * 2**20)
    assert int(env["limits.cpu/1"]) >= 1


def test_limits_reach_the_node() -> None:
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "1.5", "memory": "1Gi"}}
    (container,) = resolved(pod({"resources": resources})).containers
    assert container.limits == Limits(memory=2**30, cpu=1500, shares=100)


def test_a_downward_volume_holds_fields_and_whole_tables() -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "web", "resource": "requests.cpu"}},
    ]
    (volume,) = resolved(pod({}, volumes=[{"name": "me", "downwardAPI": {"items": items}}])).volumes
    assert [(f.path, f.content) for f in volume.files] == [("labels", b'a="b"'), ("cpu", b"0")]


def test_a_projected_volume_joins_its_sources() -> None:
    sources = [
        {"configMap": {"name": "settings", "items": [{"key": "COLOUR", "path": "c/olour"}]}},
        {"secret": {"name": "db"}},
        {
            "downwardAPI": {
                "items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]
            }
        },
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}},
        {"configMap": {"name": "absent", "optional": True}},
    ]
    volumes = [{"name": "all", "projected": {"sources": sources, "defaultMode": 0o440}}]
    (volume,) = resolved(pod({}, volumes=volumes)).volumes
    assert {(f.path, f.content, f.mode) for f in volume.files} == {
        ("c/olour", b"blue", 0o440),
        ("url", b"postgres://", 0o440),
        ("ns", b"shop", 0o440),
        ("token", b"web-0 for vault for 600s", 0o600),
    }


def test_a_claim_is_the_folder_of_the_volume_it_is_bound_to() -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "mine"}}]
    wanting = pod({"volumeMounts": [{"name": "data", "mountPath": "/data"}]}, volumes=volumes)
    claim = bare("PersistentVolumeClaim", "mine", "shop", {"volumeName": "pv-1"})

    def words(*others: Obj) -> str:
        run = resolve(wanting, *others)
        return run.message if isinstance(run, Waiting) else "it runs"

    assert words() == 'persistentvolumeclaim "mine" not found'
    assert words(claim) == "pod has unbound immediate PersistentVolumeClaims"
    local = bare("PersistentVolume", "pv-1", "", {"local": {"path": "/state/volumes/pv-1"}})
    run = resolved(wanting, claim, local)
    assert run.volumes[0].kept == "/state/volumes/pv-1"
    assert not run.containers[0].volumes[0].read_only
    elsewhere = {"hostPath": {"path": "/state/volumes/../secrets"}}
    run = resolved(wanting, claim, bare("PersistentVolume", "pv-1", "", elsewhere))
    assert run.volumes[0].host == HostPath(path="/state/volumes/../secrets")


@pytest.mark.parametrize(
    ("mount", "read_only"), [({}, True), ({"readOnly": True}, True), ({"readOnly": False}, False)]
)
def test_a_host_path_is_read_only_unless_the_mount_says_otherwise(
    mount: dict[str, Any], read_only: bool
) -> None:
    container = {"volumeMounts": [{"name": "host", "mountPath": "/host", **mount}]}
    volumes = [{"name": "host", "hostPath": {"path": "/srv/data", "type": "Directory"}}]
    run = resolved(pod(container, volumes=volumes))
    assert run.volumes[0].host == HostPath(path="/srv/data", type="Directory")
    assert run.containers[0].volumes[0].read_only is read_only


def test_a_sub_path_may_come_from_variables() -> None:
    container = {
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "volumeMounts": [{"name": "w", "mountPath": "/w", "subPathExpr": "logs/$(POD)"}],
    }
    run = resolved(pod(container, volumes=[{"name": "w", "emptyDir": {}}]))
    assert run.containers[0].volumes[0].sub_path == "logs/web-0"


def test_init_containers_and_hooks_go_along() -> None:
    init = {"name": "init", "image": "web:1", "restartPolicy": "Always"}
    hook = {"preStop": {"sleep": {"seconds": 5}}}
    run = resolved(pod({"lifecycle": hook}, initContainers=[init]))
    assert [(c.name, c.restart_policy) for c in run.init_containers] == [("init", "Always")]
    lifecycle = run.containers[0].lifecycle
    assert lifecycle
    assert lifecycle.pre_stop
    assert lifecycle.pre_stop.sleep
    assert run.containers[0].message_path == "/dev/termination-log"


def test_each_container_is_shown_its_service_account() -> None:
    account = bare("ServiceAccount", "default", "shop", {})
    run = resolved(pod({}), account)
    (volume,) = run.volumes
    assert {f.path: f.content for f in volume.files} == {
        "namespace": b"shop",
        "token": b"web-0 for  for 3607s",
    }
    (target,) = run.containers[0].volumes
    assert (target.path, target.read_only) == (ACCOUNT_PATH, True)
    assert resolved(pod({}, automountServiceAccountToken=False), account).volumes == ()


def test_a_mount_of_the_pods_own_takes_the_accounts_place() -> None:
    account = bare("ServiceAccount", "default", "shop", {})
    container = {"volumeMounts": [{"name": "mine", "mountPath": ACCOUNT_PATH}]}
    run = resolved(pod(container, volumes=[{"name": "mine", "emptyDir": {}}]), account)
    assert [target.name for target in run.containers[0].volumes] == ["mine"]
