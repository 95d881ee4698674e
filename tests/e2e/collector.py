"""The OpenTelemetry Collector's own OTLP receiver and reader of pods' logs, built of their Go modules, and what they took."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.harness import eventually, free_port

SOURCE = Path(__file__).parent / "otelcol"
_CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
  filelog:
    include: ["{logs}/*/*/*.log"]
    include_file_path: true
    start_at: beginning
    operators: [{{type: container}}]
exporters: {{print: {{}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [print]}}
    logs: {{receivers: [otlp, filelog], exporters: [print]}}
"""


@dataclass(frozen=True)
class Collected:
    """A running collector: its address, and the file it prints to."""

    endpoint: str
    output: Path

    def spans(self) -> list[dict[str, Any]]:
        """Every span it took, with the service under `service`."""
        found: list[dict[str, Any]] = []
        for part in self._parts("resourceSpans"):
            about = {each["key"]: each["value"] for each in part["resource"].get("attributes", [])}
            service = about.get("service.name", {}).get("stringValue", "")
            for scope in part["scopeSpans"]:
                found += [{**span, "service": service} for span in scope["spans"]]
        return found

    def records(self) -> list[dict[str, Any]]:
        """Every log record it took or read, with the pod under `pod`, the container under `container`."""
        found: list[dict[str, Any]] = []
        for part in self._parts("resourceLogs"):
            about = {each["key"]: each["value"] for each in part["resource"].get("attributes", [])}
            who = {
                name: about.get(f"k8s.{name}.name", {}).get("stringValue", "")
                for name in ("pod", "container", "namespace")
            }
            for scope in part["scopeLogs"]:
                found += [{**record, **who} for record in scope["logRecords"]]
        return found

    def _parts(self, name: str) -> Iterator[dict[str, Any]]:
        for line in self.output.read_text().splitlines():
            if line.startswith("{"):
                yield from json.loads(line).get(name, [])


def built() -> str:
    """The collector's binary, built once for each version of its source; "" without Go."""
    if shutil.which("go") is None:
        return ""
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")))
    binary = home / "lateen-tests" / f"otelcol-{digest.hexdigest()}"
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        new = binary.with_suffix(".new")
        command = ["go", "build", "-o", str(new), "-ldflags", "-s -w", "."]
        subprocess.run(command, cwd=SOURCE, check=True, timeout=600)
        new.replace(binary)
    return str(binary)


@contextmanager
def collector(binary: str, folder: Path, logs: Path) -> Iterator[Collected]:
    """A collector of traces and logs on the loopback, which reads the files of pods below `logs`, too."""
    port, config, output = free_port(), folder / "otelcol.yaml", folder / "otelcol.out"
    config.write_text(_CONFIG.format(port=port, logs=logs))
    with (
        output.open("wb") as out,
        (folder / "otelcol.log").open("wb") as log,
        subprocess.Popen([binary, "--config", f"file:{config}"], stdout=out, stderr=log) as process,
    ):
        try:
            assert eventually(lambda: "Everything is ready" in (folder / "otelcol.log").read_text())
            yield Collected(f"http://127.0.0.1:{port}", output)
        finally:
            process.terminate()
            process.wait(20)
