"""Check webhook configurations.

In: Mutating- and ValidatingWebhookConfiguration.    Out: problems.
Before: check/at.py        After: check/objects.py
Source: Kubernetes pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

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
    if client.url:
        yield from _url(client.url, at.key("url"))
    if client.service is None:
        return
    here = at.key("service")
    for field, value in (("name", client.service.name), ("namespace", client.service.namespace)):
        if not value:
            yield here.key(field).required(f"service {field} is required")
    yield from port_number(here.key("port"), client.service.port)
    if client.service.path and not client.service.path.startswith("/"):
        yield here.key("path").invalid(client.service.path, "must start with a '/'")


def _url(url: str, at: At) -> Iterator[Problem]:
    """Source: Kubernetes apiserver/pkg/util/webhook, ValidateWebhookURL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as fault:
        yield at.required(f"url must be a valid URL: {fault}; desired format: https://host[/path]")
        return
    if parts.scheme != "https":
        yield at.invalid(parts.scheme, "'https' is the only allowed URL scheme")
    if not parts.netloc:
        yield at.invalid(parts.netloc, "host must be specified")
    if "@" in parts.netloc:
        yield at.invalid(url, "user information is not permitted in the URL")
    for part, value in (("fragments", parts.fragment), ("query parameters", parts.query)):
        if value:
            yield at.invalid(value, f"{part} are not permitted in the URL")
