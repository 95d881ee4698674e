"""`lateen logging export`: settings for the tools that collect logs, for this mesh's files.

In: STATE/logs/pods, where logs are to go.    Out: files in a folder.
Before: cli/finding.py                        After: -

The files are laid out and written as a cluster's nodes have them under /var/log/pods, so the tools' own parsers
for that (`cri`, `container`) read them. Metadata comes from the path, since these tools know no API here.
"""

from __future__ import annotations

import json
from pathlib import Path

from lateen.app.settings import directories
from lateen.base.errors import LateenError

_PROMTAIL = """\
# Promtail, for Loki: promtail -config.file=promtail.yaml
server: {{disable: true}}
positions: {{filename: {positions}/promtail.yaml}}
clients:
  - url: {loki}/loki/api/v1/push
scrape_configs:
  - job_name: pods
    static_configs:
      - targets: [localhost]
        labels: {{job: pods, __path__: {logs}/*/*/*.log}}
    pipeline_stages:
      - cri: {{}}
      - regex:
          source: filename
          expression: '/(?P<namespace>[^/_]+)_(?P<pod>[^/_]+)_[^/_]+/(?P<container>[^/]+)/\\d+\\.log$'
      - labels: {{namespace: , pod: , container: }}
      - labeldrop: [filename]
"""
_ALLOY = """\
// Grafana Alloy, for Loki: alloy run config.alloy
local.file_match "pods" {{
  path_targets = [{{"__path__" = "{logs}/*/*/*.log", "job" = "pods"}}]
}}

loki.source.file "pods" {{
  targets    = local.file_match.pods.targets
  forward_to = [loki.process.pods.receiver]
}}

loki.process "pods" {{
  stage.cri {{}}
  stage.regex {{
    source     = "filename"
    expression = "/(?P<namespace>[^/_]+)_(?P<pod>[^/_]+)_[^/_]+/(?P<container>[^/]+)/\\\\d+\\\\.log$"
  }}
  stage.labels {{
    values = {{namespace = "", pod = "", container = ""}}
  }}
  forward_to = [loki.write.loki.receiver]
}}

loki.write "loki" {{
  endpoint {{
    url = "{loki}/loki/api/v1/push"
  }}
}}
"""
_FLUENT_BIT = """\
# Fluent Bit, for Elasticsearch (for Loki: name loki, host, port, labels): fluent-bit -c fluent-bit.yaml
service:
  flush: 1
parsers:
  - name: path
    format: regex
    regex: '/(?<namespace>[^/_]+)_(?<pod>[^/_]+)_[^/_]+/(?<container>[^/]+)/\\d+\\.log$'
pipeline:
  inputs:
    - name: tail
      path: {logs}/*/*/*.log
      path_key: file
      multiline.parser: cri
      tag: pods
      db: {positions}/fluent-bit.db
  filters:
    - name: parser
      match: pods
      key_name: file
      parser: path
      reserve_data: true
      preserve_key: false
  outputs:
    - name: es
      match: pods
      host: {host}
      port: {port}
      logstash_format: true
      logstash_prefix: lateen
      suppress_type_name: true
"""
_FLUENTD = """\
# Fluentd, for Elasticsearch, with the plug-ins fluent-plugin-parser-cri and fluent-plugin-elasticsearch:
# fluentd -c fluentd.conf
<source>
  @type tail
  path {logs}/*/*/*.log
  pos_file {positions}/fluentd.pos
  path_key file
  tag pods
  read_from_head true
  <parse>
    @type cri
  </parse>
</source>
<filter pods>
  @type parser
  key_name file
  reserve_data true
  <parse>
    @type regexp
    expression /\\/(?<namespace>[^\\/_]+)_(?<pod>[^\\/_]+)_[^\\/_]+\\/(?<container>[^\\/]+)\\/\\d+\\.log$/
  </parse>
</filter>
<match pods>
  @type elasticsearch
  host {host}
  port {port}
  logstash_format true
  logstash_prefix lateen
</match>
"""
_FILEBEAT = """\
# Filebeat, for Elasticsearch: filebeat -e -c filebeat.yml
filebeat.inputs:
  - type: filestream
    id: pods
    paths: ["{logs}/*/*/*.log"]
    prospector.scanner.symlinks: false
    parsers: [{{container: {{format: cri, stream: all}}}}]
    processors:
      - dissect:
          tokenizer: "{logs}/%{{namespace}}_%{{pod}}_%{{uid}}/%{{container}}/%{{run}}.log"
          field: log.file.path
          target_prefix: lateen
output.elasticsearch:
  hosts: ["{elasticsearch}"]
  index: "lateen-%{{+yyyy.MM.dd}}"
setup.template: {{name: lateen, pattern: "lateen-*"}}
"""
_RSYSLOG = """\
# rsyslog, into one file of JSON (or any of its outputs): rsyslogd -f rsyslog.conf -i rsyslog.pid -n
module(load="imfile" mode="inotify")
global(workDirectory="{positions}")
input(type="imfile" File="{logs}/*/*/*.log" Tag="pods" addMetadata="on" ruleset="pods")
template(name="line" type="list") {{
  constant(value="{{") property(outname="file" name="$!metadata!filename" format="jsonf")
  constant(value=", ") property(outname="line" name="msg" format="jsonf") constant(value="}}\\n")
}}
ruleset(name="pods") {{ action(type="omfile" file="{positions}/pods.json" template="line") }}
"""
_OTELCOL = """\
# OpenTelemetry Collector (contrib), for any backend: otelcol-contrib --config otelcol.yaml
receivers:
  filelog:
    include: ["{logs}/*/*/*.log"]
    include_file_path: true
    operators: [{{type: container}}]
exporters:
  otlphttp: {{endpoint: "http://127.0.0.1:4318"}}
service:
  pipelines:
    logs: {{receivers: [filelog], exporters: [otlphttp]}}
"""
_FILES = {
    "promtail.yaml": _PROMTAIL,
    "config.alloy": _ALLOY,
    "fluent-bit.yaml": _FLUENT_BIT,
    "fluentd.conf": _FLUENTD,
    "filebeat.yml": _FILEBEAT,
    "otelcol.yaml": _OTELCOL,
    "rsyslog.conf": _RSYSLOG,
}
_KIBANA = {
    "version": "8.0.0",
    "type": "index-pattern",
    "id": "lateen",
    "attributes": {"title": "lateen-*", "name": "lateen", "timeFieldName": "@timestamp"},
    "references": [],
}


def run_logging_export(name: str, folder: Path, *, loki: str, elasticsearch: str) -> int:
    """Write the files, and say which."""
    _, state, _ = directories(name)
    host, colon, port = elasticsearch.partition("://")[2].rstrip("/").partition(":")
    if not host or (colon and not port.isdecimal()):
        raise LateenError(f"--elasticsearch: wanted http://HOST:PORT, got {elasticsearch!r}")
    folder.mkdir(parents=True, exist_ok=True)
    words = {
        "logs": str(state / "logs" / "pods"),
        "positions": str(folder.resolve()),
        "loki": loki.rstrip("/"),
        "elasticsearch": elasticsearch.rstrip("/"),
        "host": host,
        "port": port or "9200",
    }
    for file, text in files(words).items():
        (folder / file).write_text(text)
        print(folder / file)
    return 0


def files(words: dict[str, str]) -> dict[str, str]:
    """The files' texts by name."""
    made = {file: text.format(**words) for file, text in _FILES.items()}
    return {**made, "kibana.ndjson": json.dumps(_KIBANA) + "\n"}
