"""What `lateen logging export` writes is well-formed and finds the files of this mesh."""

from __future__ import annotations

import json
import re

import yaml

from lateen.cli.logging import files

WORDS = {
    "logs": "/state/logs/pods",
    "positions": "/out",
    "loki": "http://loki:3100",
    "elasticsearch": "http://es:9200",
    "host": "es",
    "port": "9200",
}
PATH = "/state/logs/pods/shop_web-7d4_0af7-11/istio-proxy/0.log"


def test_every_file_names_the_files_of_the_pods() -> None:
    made = files(WORDS)
    assert set(made) >= {
        "promtail.yaml",
        "config.alloy",
        "fluent-bit.yaml",
        "fluentd.conf",
        "filebeat.yml",
    }
    for name, text in made.items():
        assert name == "kibana.ndjson" or "/state/logs/pods/*/*/*.log" in text, name
        assert "{{" not in text, name


def test_the_yaml_ones_can_be_read() -> None:
    made = files(WORDS)
    promtail = yaml.safe_load(made["promtail.yaml"])
    (_, regex, _, _) = promtail["scrape_configs"][0]["pipeline_stages"]
    found = re.search(regex["regex"]["expression"], PATH)
    assert found is not None
    assert found.groupdict() == {"namespace": "shop", "pod": "web-7d4", "container": "istio-proxy"}
    assert yaml.safe_load(made["filebeat.yml"])["output.elasticsearch"]["hosts"] == [
        "http://es:9200"
    ]
    bit = yaml.safe_load(made["fluent-bit.yaml"])
    pattern = bit["parsers"][0]["regex"].replace("(?<", "(?P<")
    assert re.search(pattern, PATH)
    assert yaml.safe_load(made["otelcol.yaml"])["receivers"]["filelog"]["operators"] == [
        {"type": "container"}
    ]
    assert json.loads(made["kibana.ndjson"])["attributes"]["title"] == "lateen-*"
