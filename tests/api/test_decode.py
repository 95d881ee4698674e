"""From text to typed objects that know their lines, or to problems that say what was wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lateen.api.config import Secret
from lateen.api.decode import decode_documents, decode_raw, restore
from lateen.api.encode import raw_of
from lateen.api.kinds import KINDS, kind_of
from lateen.api.service import Service
from lateen.api.virtualservice import VirtualService
from lateen.base.problem import Level

GUIDE = Path(__file__).parent / "guide.yaml"


def said(text: str) -> list[str]:
    return [str(problem) for problem in decode_documents(text, "f.yaml").problems]


def test_the_guides_shapes_decode_without_a_word() -> None:
    decoded = decode_documents(GUIDE.read_text(), "guide.yaml")
    assert decoded.problems == ()
    assert [str(obj.key) for obj in decoded.objects] == [
        "ConfigMap default/app-config",
        "Deployment default/fastapi-service",
        "Service default/fastapi-service",
        "Gateway istio-system/main-gateway",
        "VirtualService default/api-routing",
        "DestinationRule default/circuit-breaker",
        "ServiceEntry default/external-postgres",
        "PeerAuthentication istio-system/default",
        "AuthorizationPolicy default/fastapi-policy",
    ]


def test_a_field_knows_its_line() -> None:
    decoded = decode_documents(GUIDE.read_text(), "guide.yaml")
    routing = next(o for o in decoded.objects if isinstance(o.typed, VirtualService))
    origin = routing.origin("spec.http[0].retries.attempts")
    assert origin.place is not None
    line = GUIDE.read_text().split("\n")[origin.place.line - 1]
    assert line[origin.place.column - 1 :] == "attempts: 3"
    assert str(origin).startswith(
        "VirtualService default/api-routing spec.http[0].retries.attempts"
    )


def test_an_unknown_kind_is_named_and_left_out() -> None:
    (line,) = said("apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: a}\n")
    assert line == (
        "f.yaml:2:1: warning LAT0001 RuntimeClass default/a kind:"
        " node.k8s.io/v1 RuntimeClass is not known to lateen; left out"
    )


def test_a_kind_in_the_wrong_group_or_version_is_an_error_with_the_right_one() -> None:
    (wrong_group,) = said("apiVersion: v1\nkind: Deployment\nmetadata: {name: a}\n")
    assert wrong_group.endswith(
        'no matches for kind "Deployment" in version "v1" (apiVersion: apps/v1)'
    )
    (wrong_version,) = said("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}\n")
    assert wrong_version.endswith("(apiVersion: apps/v1)")


def test_what_every_object_needs() -> None:
    assert [line.split(": ")[2] for line in said("metadata: {name: a}\n")] == [
        "Object 'apiVersion' is missing",
        "Object 'kind' is missing",
    ]
    (nameless,) = said("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n")
    assert "metadata.name: Required value" in nameless
    (not_an_object,) = said("- 1\n- 2\n")
    assert "a document is a mapping" in not_an_object


def test_names_are_refused_in_kubernetes_words() -> None:
    (line,) = said("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: My_App}\n")
    assert 'metadata.name: Invalid value: "My_App": a lowercase RFC 1123 subdomain must' in line
    (line,) = said("apiVersion: v1\nkind: Service\nmetadata: {name: 1a}\nspec: {}\n")
    assert "a DNS-1035 label must" in line
    (line,) = said("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: b c}}\n")
    assert 'metadata.labels.a: Invalid value: "b c": a valid label must' in line


def test_a_boolean_in_a_text_field_names_the_quoting_fix() -> None:
    (line,) = said("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  FLAG: yes\n")
    assert line.startswith("f.yaml:5:3: error IST0106 ConfigMap default/a data.FLAG: wanted text")
    assert 'quote it as it should read: "true"' in line


def test_a_secrets_values_are_not_shown() -> None:
    (line,) = said("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {pin: 4711}\n")
    assert line.endswith("stringData.pin: wanted text (quote it)")


def test_a_name_that_is_a_number_is_one_fault() -> None:
    (line,) = said("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 7}\n")
    assert line.endswith('metadata.name: wanted text, got the number 7 (quote it: "7")')


def test_a_key_given_twice_keeps_the_object_out() -> None:
    decoded = decode_documents(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: a\n  x: b\n", "f"
    )
    assert decoded.objects == ()
    assert len(decoded.partial) == 1
    assert 'data.x: key "x" is given twice, again in line 6' in str(decoded.problems[0])


def test_a_faulty_object_comes_as_a_partial_with_its_gaps() -> None:
    decoded = decode_documents(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
        "spec: {hosts: [a], http: [{route: [{destination: {host: b}, weight: x}], retry: {}}]}\n",
        "f",
    )
    assert decoded.objects == ()
    (partial,) = decoded.partial
    assert partial.gaps == ("spec.http[0].route[0].weight",)
    assert partial.unread == ("spec.http[0].retry",)


def test_a_list_is_taken_apart_and_its_items_keep_their_lines() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n"
        "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b}\n  data: {x: z}\n"
    )
    first, second = decode_documents(text, "f").objects
    assert (first.key.name, second.key.name) == ("a", "b")
    assert str(first.origin().place) == "f:4"
    assert str(second.origin("data.x").place) == "f:10"


def test_what_the_server_sets_is_ignored_in_files() -> None:
    text = (
        "apiVersion: v1\nkind: Service\n"
        "metadata: {name: a, uid: u, resourceVersion: '7', creationTimestamp: null}\n"
        "spec: {ports: [{port: 80}]}\nstatus: {loadBalancer: {}}\n"
    )
    (obj,) = decode_documents(text, "f").objects
    assert obj.meta.uid == ""
    assert "status" not in obj.raw


def test_defaults_are_those_of_kubernetes() -> None:
    (service,) = decode_documents(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n", "f"
    ).objects
    assert service.raw["spec"] == {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }
    assert isinstance(service.typed, Service)
    assert service.typed.spec.ports[0].target_port == 80
    (secret,) = decode_documents(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: YQ==}\nstringData: {b: b}\n",
        "f",
    ).objects
    assert secret.raw["data"] == {"a": "YQ==", "b": "Yg=="}
    assert "stringData" not in secret.raw
    assert isinstance(secret.typed, Secret)
    assert secret.typed.content() == {"a": b"a", "b": b"b"}


def test_a_namespace_is_given_where_one_is_needed() -> None:
    text = "apiVersion: v1\nkind: {}\nmetadata: {{name: a}}\n"
    (config,) = decode_documents(text.format("ConfigMap"), "f", namespace="shop").objects
    assert (config.key.namespace, config.raw["metadata"]["namespace"]) == ("shop", "shop")
    (namespace,) = decode_documents(text.format("Namespace"), "f", namespace="shop").objects
    assert namespace.key.namespace == ""


def test_a_stored_object_is_restored_as_it_was() -> None:
    for obj in decode_documents(GUIDE.read_text(), "guide.yaml").objects:
        again = restore(obj.raw, obj.places, 7)
        assert (again.key, again.typed, again.revision) == (obj.key, obj.typed, 7)


def test_a_typed_object_is_encoded_to_a_tree_that_decodes_to_it() -> None:
    for obj in decode_documents(GUIDE.read_text(), "guide.yaml").objects:
        kind = kind_of(obj.key.group, obj.key.kind)
        assert kind is not None
        raw = raw_of(obj.typed, kind)
        assert (raw["apiVersion"], raw["kind"]) == (obj.raw["apiVersion"], obj.key.kind)
        again, problems = decode_raw(raw, places=None)
        assert problems == ()
        assert again is not None
        assert again.typed == obj.typed


def test_an_object_by_api_is_refused_with_all_its_faults() -> None:
    raw = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "A"}, "spec": {"port": 1}}
    obj, problems = decode_raw(raw, places=None)
    assert obj is None
    assert [p.origin.field for p in problems] == ["spec.port", "metadata.name"]
    assert all(p.level is Level.ERROR for p in problems)


@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    decode_documents(text, "f")


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "spec", "ports", "port", "template", "metadata", "labels", "a b"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(
    st.sampled_from(KINDS),
    st.dictionaries(
        st.sampled_from(["metadata", "spec", "data", "stringData", "status", "apiVersion", "kind"]),
        _values,
    ),
)
def test_no_tree_makes_it_raise(kind: Any, tree: dict[str, Any]) -> None:
    named = {"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": "a"}}
    decode_raw(named | tree, places=None)
