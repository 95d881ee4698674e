"""Where an app says its own figures are."""

from __future__ import annotations

import pytest

from lateen.telemetry.annotated import wants_scraping


@pytest.mark.parametrize(
    ("notes", "wanted"),
    [
        ({}, None),
        ({"prometheus.io/scrape": "false", "prometheus.io/port": "80"}, None),
        ({"prometheus.io/scrape": "true"}, (80, "/metrics")),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "9"}, (9, "/metrics")),
        ({"prometheus.io/scrape": "true", "prometheus.io/path": "m"}, (80, "/m")),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "x"}, None),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "70000"}, None),
        ({"prometheus.io/scrape": "true", "prometheus.io/port": "15020"}, None),
    ],
)
def test_annotations(notes: dict[str, str], wanted: tuple[int, str] | None) -> None:
    assert wants_scraping(notes) == wanted
