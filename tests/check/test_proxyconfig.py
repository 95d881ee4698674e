"""ProxyConfig and WorkloadGroup, taken alone."""

from __future__ import annotations

import pytest

from lateen.api.decode import decode_documents
from lateen.base.problem import Level
from lateen.check import check_object

FOUND = [
    (
        "v1beta1",
        "ProxyConfig",
        "{concurrency: -1}",
        ["Error spec.concurrency: concurrency must be greater than or equal to 0"],
    ),
    (
        "v1beta1",
        "ProxyConfig",
        "{image: {imageType: debug}}",
        ["Warning spec.image: lateen's proxies come from no image: it has no effect"],
    ),
    (
        "v1",
        "WorkloadGroup",
        "{metadata: {labels: {app: vm}}}",
        ["Error spec.template: Required value: template is required"],
    ),
    ("v1", "WorkloadGroup", "{template: {serviceAccount: vm}}", []),
]


@pytest.mark.parametrize(("version", "kind", "spec", "wanted"), FOUND)
def test_what_is_wrong_or_without_effect_is_told(
    version: str, kind: str, spec: str, wanted: list[str]
) -> None:
    text = f"apiVersion: networking.istio.io/{version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
    (obj,) = decode_documents(text, "f.yaml").objects
    problems = [p for p in check_object(obj) if p.level is not Level.INFO]
    assert [f"{p.level.value} {p.origin.field}: {p.message}" for p in problems] == wanted
