"""What Kubernetes takes as a name, a label or a variable, and its words for what it does not.

In: text.    Out: None, or Kubernetes' complaint.    Source: apimachinery util/validation.
Before: -    After: api/decode.py, check/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = rf"({_QUALIFIED})?"
_ENVIRONMENT = r"[-._a-zA-Z][-._a-zA-Z0-9]*"

_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must"
    " start and end with an alphanumeric character"
    f" (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
)
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.',"
    " and must start and end with an alphanumeric character"
    f" (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
)
_LABEL_1035_WORDS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an"
    " alphabetic character, and end with an alphanumeric character"
    f" (e.g. 'my-name',  or 'abc-123', regex used for validation is '{LABEL_1035}')"
)
_QUALIFIED_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with"
    " an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    f" validation is '{_QUALIFIED}')"
)
_LABEL_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    f" '12345', regex used for validation is '{_LABEL_VALUE}')"
)

Fault = Callable[[str], str | None]


def _rule(pattern: str, words: str, longest: int) -> Fault:
    compiled = re.compile(pattern)

    def fault(text: str) -> str | None:
        if len(text) > longest:
            return f"must be no more than {longest} characters"
        return None if compiled.fullmatch(text) else words

    return fault


label_fault = _rule(LABEL, _LABEL_WORDS, 63)
subdomain_fault = _rule(SUBDOMAIN, _SUBDOMAIN_WORDS, 253)
label_1035_fault = _rule(LABEL_1035, _LABEL_1035_WORDS, 63)
label_value_fault = _rule(_LABEL_VALUE, _LABEL_VALUE_WORDS, 63)
environment_fault = _rule(
    _ENVIRONMENT,
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or"
    " '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1',"
    f" regex used for validation is '{_ENVIRONMENT}')",
    10_000,
)
config_key_fault = _rule(
    r"[-._a-zA-Z0-9]+",
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    " or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    253,
)
_qualified_part_fault = _rule(_QUALIFIED, _QUALIFIED_WORDS, 63)


def qualified_fault(text: str) -> str | None:
    """A label's or annotation's key: `name` or `prefix/name`."""
    prefix, slash, name = text.rpartition("/")
    if slash and (not prefix or subdomain_fault(prefix)):
        return f"prefix part {subdomain_fault(prefix) or 'must be non-empty'}"
    return _qualified_part_fault(name)


def name_fault(group: str, kind: str, name: str) -> str | None:
    """An object's `metadata.name`, by its kind."""
    match group, kind:
        case "", "Namespace":
            return label_fault(name)
        case "", "Service":
            return label_1035_fault(name)
        case "rbac.authorization.k8s.io", _:
            return path_segment_fault(name)
    return subdomain_fault(name)


def path_segment_fault(name: str) -> str | None:
    """A name that stands alone in a URL's path, such as `system:controller:x`."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    if len(name) > 253:
        return "must be no more than 253 characters"
    found = next((c for c in "/%" if c in name), None)
    return f"may not contain '{found}'" if found else None


def label_faults(labels: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The key, the wrong text (key or value) and the complaint, of each bad label."""
    for key, value in labels.items():
        if words := qualified_fault(key):
            yield key, key, words
        if words := label_value_fault(value):
            yield key, value, words
