"""Check one ProxyConfig or WorkloadGroup as Istio does before it takes one.

In: ProxyConfig, WorkloadGroup.    Out: problems.    Source: Istio ValidateProxyConfig, ValidateWorkloadGroup.
Before: check/at.py                After: check/objects.py
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.codes import NOT_YET_HONOURED
from lateen.api.names import label_faults
from lateen.api.proxyconfig import ProxyConfig
from lateen.api.workloadgroup import WorkloadGroup
from lateen.base.problem import Problem
from lateen.check.at import At, one_of

_IMAGES = ("", "debug", "distroless")


def check_proxy_config(config: ProxyConfig, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = config.spec, at.key("spec")
    if spec.selector:
        here = at.key("selector", "matchLabels")
        for key, text, words in label_faults(spec.selector.match_labels):
            yield here.key(key).invalid(text, words)
    if spec.concurrency is not None and spec.concurrency < 0:
        yield at.key("concurrency").error("concurrency must be greater than or equal to 0")
    if spec.image:
        yield from one_of(at.key("image", "imageType"), spec.image.image_type, _IMAGES)
        words = "lateen's proxies come from no image: it has no effect"
        yield at.key("image").warning(words, code=NOT_YET_HONOURED)


def check_workload_group(group: WorkloadGroup, at: At) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    spec, at = group.spec, at.key("spec")
    if spec.template is None:
        yield at.key("template").required("template is required")
    for path, labels in (
        (at.key("metadata", "labels"), spec.metadata.labels if spec.metadata else {}),
        (at.key("template", "labels"), spec.template.labels if spec.template else {}),
    ):
        for key, text, words in label_faults(labels):
            yield path.key(key).invalid(text, words)
    words = "no machine joins a mesh of one machine by itself: write WorkloadEntries for servers outside"
    yield at.info(words, code=NOT_YET_HONOURED)
