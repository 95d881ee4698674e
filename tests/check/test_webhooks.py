"""The URL of a webhook is judged as Kubernetes does."""

from __future__ import annotations

import pytest

from lateen.api.decode import decode_documents
from lateen.check.analysis import analyze

HOOK = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: pods}}
webhooks:
  - name: pods.example.com
    clientConfig: {{url: "{url}"}}
    sideEffects: None
    admissionReviewVersions: [v1]
"""


def said_of(url: str) -> list[str]:
    return [
        problem.message for problem in analyze(decode_documents(HOOK.format(url=url), "in.yaml"))
    ]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example.com/pods", "'https' is the only allowed URL scheme"),
        ("https:///pods", "host must be specified"),
        ("https://me@hooks.example.com/pods", "user information is not permitted in the URL"),
        ("https://hooks.example.com/pods#a", "fragments are not permitted in the URL"),
        ("https://hooks.example.com/pods?a=b", "query parameters are not permitted in the URL"),
        ("https://hooks.example.com:eight/pods", "url must be a valid URL"),
    ],
)
def test_a_url_nobody_could_call_is_refused(url: str, words: str) -> None:
    (said,) = said_of(url)
    assert words in said


def test_a_host_with_a_port_and_a_path_is_taken() -> None:
    assert said_of("https://hooks.example.com:8443/pods") == []
