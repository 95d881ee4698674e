"""Every YAML document of the guide, the article and the book: accepted, or refused for a fault it truly has."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.conftest import Golden
from tests.documents.assumed import EXAMPLES, FOLDERS
from tests.documents.outcomes import (
    Outcome,
    Verdict,
    modern_forms,
    outcomes,
    outcomes_of,
    page,
)
from tests.envoy import pki

LANGUAGES = ("en", "ja", "zh-TW")
PAGE = EXAMPLES.parent / "docs" / "documents.md"

# What is refused, each for this, with these words on what to write instead.
FAULTS = {
    "2-canary VirtualService default/": "metadata.name: Required value",
    "2-circuit-breaker DestinationRule default/": "metadata.name: Required value",
    "05-egress-gateway VirtualService default/postgres-egress": (
        "its ports are: 80, 443, 15021; a server in a Gateway that selects it adds one"
    ),
    "05.3-circuit-breaker DestinationRule default/ratings-cb": "consecutive5xxErrors",
    "05.4-circuit-breaker DestinationRule default/reviews-circuit-breaker": "consecutive5xxErrors",
    "10.5-circuit-breaker DestinationRule default/payment-service-circuit-breaker": (
        "consecutive5xxErrors"
    ),
    "11.5-retry DestinationRule default/example-destinationrule": "VirtualService: spec.http[].retries",
    "09.2-injection Deployment default/example-service": "spec.selector: required",
    "12.4-tls-secret Secret finance/db-tls": "base64",
    "12.4-quotaspec QuotaSpec finance/request-count": "local_ratelimit",
}
# Listings that are cut out of an object, and where they belong.
PARTS = {
    "02.4-env-from-configmap": "spec.containers[]",
    "02.4-env-from-secret": "spec.containers[]",
    "02.4-secret-volume": "spec of a Pod",
    "02.5-session-affinity": "apiVersion, kind and metadata",
    "03.4-configmap-volume": "spec of a Pod",
    "03.4-env-from-secret": "spec.containers[]",
    "03.4-secret-volume": "spec of a Pod",
    "05.2-green": "spec of a VirtualService",
    "06.4-tls": "missing",
    "06.5-env-from-secret": "spec.containers[]",
    "07.2-scrape-annotations": "spec.template",
    "09.2-tracing": "spec.template",
    "10.1-resources": "spec.containers[]",
    "10.2-resources": "spec.containers[]",
    "10.5-resources": "spec.containers[]",
    "15a-resources": "spec.containers[]",
}
OTHERS = {
    "06.3-encryption": "encryption.yaml",
    "06.4-ip-restriction-plugin": "Kong",
    "06.4-jwt-plugin": "Kong",
    "06.4-key-auth-plugin": "Kong",
    "06.4-rate-limiting-plugin": "Kong",
    "06.4-request-validator-plugin": "Kong",
    "07.5-scrape-config": "Prometheus",
    "08.2-cpu-alert": "Prometheus",
    "08.2-grouping": "Alertmanager",
    "08.2-inhibition": "Alertmanager",
    "08.2-restart-alert": "Prometheus",
    "08.2-routing": "Alertmanager",
    "12.2-scrape-config": "Prometheus",
}
EVERY = [o for source in FOLDERS for o in outcomes(source)]


def said(outcome: Outcome) -> str:
    return "\n".join(str(problem) for problem in outcome.problems)


@pytest.mark.parametrize("outcome", EVERY, ids=lambda o: o.name)
def test_a_document_comes_to_what_was_reviewed(outcome: Outcome) -> None:
    match outcome.verdict:
        case Verdict.ACCEPTED | Verdict.WARNED:
            assert not {outcome.name, outcome.file} & (FAULTS.keys() | PARTS.keys() | OTHERS.keys())
        case Verdict.REFUSED:
            assert FAULTS[outcome.name] in said(outcome)
        case Verdict.PART:
            assert PARTS[outcome.file] in said(outcome)
        case Verdict.LEFT_OUT:
            assert OTHERS[outcome.file] in said(outcome)


def test_what_is_refused_works_as_it_is_written_today() -> None:
    found = [o for s in FOLDERS for form in modern_forms(s) for o in outcomes_of(form, s)]
    faults = [said(o) for o in found if o.verdict is not Verdict.ACCEPTED]
    assert len(faults) == 1, faults
    assert "EnvoyFilter finance/request-count" in faults[0]
    assert "warning IST0" in faults[0]
    refused = {o.file for o in EVERY if o.verdict is Verdict.REFUSED}
    assert {o.file for o in found} <= refused


def test_the_books_tls_secret_is_taken_with_a_certificate_in_it(tmp_path: Path) -> None:
    pair = pki.Authority().sign("db", x509.DNSName("db.finance"))
    text = (FOLDERS["book"] / "12.4-tls-secret.yaml").read_text(encoding="utf-8")
    for word, pem in (("cert", pair.certificate), ("key", pair.key)):
        text = text.replace(f"<base64-encoded-{word}>", base64.b64encode(pem).decode())
    file = tmp_path / "secret.yaml"
    file.write_text(text, encoding="utf-8")
    (outcome,) = outcomes_of(file, "book")
    assert (outcome.verdict, said(outcome)) == (Verdict.ACCEPTED, "")


def test_the_page_lists_every_document_as_it_is(golden: Golden) -> None:
    golden.check(PAGE, page())


def values(file: Path) -> list[Any]:
    """The documents of a file, without the remarks in the files that stand inside ConfigMaps."""
    found = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    for document in found:
        if document.get("kind") == "ConfigMap":
            document["data"] = {k: yaml.safe_load(v) for k, v in document["data"].items()}
    return found


@pytest.mark.parametrize("file", sorted(p.name for p in FOLDERS["guide"].glob("*.yaml")))
def test_the_guides_twins_have_the_same_yaml(file: str) -> None:
    english, *others = (values(EXAMPLES / "guide" / language / file) for language in LANGUAGES)
    assert others == [english, english]


def test_the_guides_twins_have_the_same_files() -> None:
    names = [
        sorted(p.name for p in (EXAMPLES / "guide" / language).iterdir()) for language in LANGUAGES
    ]
    assert names[0] == names[1] == names[2]


def test_each_listing_says_where_it_is_from() -> None:
    for source in FOLDERS.values():
        for file in source.glob("*.yaml"):
            assert file.read_text(encoding="utf-8").startswith("# "), file
