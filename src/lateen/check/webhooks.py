"""Check webhook configurations.

In: Mutating- and ValidatingWebhookConfiguration.    Out: problems.
Before: check/at.py        After: check/objects.py
Source: Kubernetes pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from lateen.api.webhooks import (
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
    WebhookClient,
)
from lateen.base.problem import Problem
from lateen.check.admissionpolicy import check_named
from lateen.check.at import At, between, one_of, port_number

HOOK_VARIABLES = ("object", "oldObject", "request", "authorizer")  # of match conditions
FAILURE_POLICIES = ("Ignore", "Fail")


def check_webhooks(
    typed: MutatingWebhookConfiguration | ValidatingWebhookConfiguration, at: At
) -> Iterator[Problem]:
    """Every fault of the object, taken alone."""
    for index, webhook in enumerate(typed.webhooks):
        here = at.key("webhooks").item(index)
        yield from _client(webhook.client_config, here.key("clientConfig"))
        yield from between(here.key("timeoutSeconds"), webhook.timeout_seconds, 1, 30)
        yield from one_of(here.key("failurePolicy"), webhook.failure_policy, FAILURE_POLICIES)
        yield from one_of(here.key("matchPolicy"), webhook.match_policy, ("Exact", "Equivalent"))
        conditions = here.key("matchConditions")
        yield from check_named(webhook.match_conditions, conditions, HOOK_VARIABLES, "BOOL")


def _client(client: WebhookClient, at: At) -> Iterator[Problem]:
    if bool(client.url) == (client.service is not None):
        yield at.required("exactly one of url or service is required")
    if client.service is None:
        return
    here = at.key("service")
    for field, value in (("name", client.service.name), ("namespace", client.service.namespace)):
        if not value:
            yield here.key(field).required(f"service {field} is required")
    yield from port_number(here.key("port"), client.service.port)
    if client.service.path and not client.service.path.startswith("/"):
        yield here.key("path").invalid(client.service.path, "must start with a '/'")
