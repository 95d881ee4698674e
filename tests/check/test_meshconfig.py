"""What is wrong with Istio's settings for the whole mesh."""

from __future__ import annotations

from lateen.api.decode import decode_tree
from lateen.base.problem import Level
from lateen.check.objects import check_object


def said(mesh: str, name: str = "istio") -> list[tuple[Level, str]]:
    tree = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "istio-system"},
        "data": {"mesh": mesh},
    }
    (obj,) = decode_tree(tree, places=None).objects
    return [(problem.level, problem.message) for problem in check_object(obj)]


def test_what_is_carried_is_taken_in_silence() -> None:
    assert said("outboundTrafficPolicy: {mode: REGISTRY_ONLY}\nrootNamespace: istio-system\n") == []
    assert said("") == []


def test_a_setting_without_effect_is_named() -> None:
    ((level, message),) = said("accessLogFile: /dev/stdout\n")
    assert level is Level.WARNING
    assert message.startswith("accessLogFile: ")


def test_a_setting_nobody_knows_is_named_and_the_rest_holds() -> None:
    ((level, message),) = said("outboundTraficPolicy: {mode: ALLOW_ANY}\n")
    assert level is Level.WARNING
    assert "outboundTraficPolicy" in message


def test_a_wrong_value_refuses_the_settings() -> None:
    assert [level for level, _ in said("outboundTrafficPolicy: {mode: SOME}\n")] == [Level.ERROR]
    assert [level for level, _ in said("defaultHttpRetryPolicy: {attempts: x}\n")] == [Level.ERROR]
    assert [level for level, _ in said("- a\n")] == [Level.ERROR]


def test_other_config_maps_may_hold_what_they_like() -> None:
    assert said("accessLogFile: /dev/stdout\n", name="other") == []
