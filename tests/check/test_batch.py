"""Jobs and CronJobs that Kubernetes would refuse are refused in its words."""

from __future__ import annotations

import pytest

from lateen.check import check_object
from tests.cluster.simulated import job, read

CRON = """
apiVersion: batch/v1
kind: CronJob
metadata: {{name: {name}, namespace: shop}}
spec:
  schedule: "{schedule}"
  {more}
  jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never,
    containers: [{{name: app, image: "app:1"}}]}}}}}}}}
"""


def said(document: str) -> list[str]:
    (obj,) = read(document)
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


def test_a_sound_job_and_cron_job_pass() -> None:
    assert said(job("work", "completions: 2, completionMode: Indexed")) == []
    assert said(CRON.format(name="tick", schedule="@daily", more="timeZone: Etc/UTC")) == []


@pytest.mark.parametrize(
    ("spec", "policy", "words"),
    [
        (
            "",
            "Always",
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
        ),
        (
            "parallelism: -1",
            "Never",
            "spec.parallelism: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "completionMode: Indexed, parallelism: 1",
            "Never",
            "spec.completions: Required value: when completion mode is Indexed",
        ),
        (
            "podFailurePolicy: {rules: [{action: Explode, onPodConditions: [{type: X}]}]}",
            "Never",
            'spec.podFailurePolicy.rules[0].action: Unsupported value: "Explode": supported values:'
            ' "Count", "FailIndex", "FailJob", "Ignore"',
        ),
    ],
)
def test_a_job_is_refused(spec: str, policy: str, words: str) -> None:
    assert words in said(job("work", spec, policy=policy))


@pytest.mark.parametrize(
    ("name", "schedule", "more", "words"),
    [
        (
            "tick",
            "often",
            "",
            'spec.schedule: Invalid value: "often": expected exactly 5 fields, found 1: [often]',
        ),
        (
            "tick",
            "@daily",
            "timeZone: Mars",
            'spec.timeZone: Invalid value: "Mars": unknown time zone Mars',
        ),
        (
            "tick",
            "@daily",
            "concurrencyPolicy: Maybe",
            'spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow",'
            ' "Forbid", "Replace"',
        ),
        ("t" * 53, "@daily", "", f'metadata.name: Invalid value: "{"t" * 53}": must be no more than 52 characters'),
    ],
)  # fmt: skip
def test_a_cron_job_is_refused(name: str, schedule: str, more: str, words: str) -> None:
    assert words in said(CRON.format(name=name, schedule=schedule, more=more))
