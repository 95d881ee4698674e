"""A service that cannot be built says so as its pod's reason, and the others run all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Mesh
from tests.e2e.test_foreground import small

LATER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: later, namespace: shop}
spec:
  selector: {matchLabels: {app: later}}
  template:
    metadata: {labels: {app: later}}
    spec:
      containers: [{name: later, image: test/later:1.0, ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: later, namespace: shop}
spec:
  selector: {app: later}
  ports: [{name: http, port: 80, targetPort: 8080}]
"""


DOCKERFILE = """\
FROM eclipse-temurin:99
WORKDIR /app
COPY pom.xml .
RUN mvn package
CMD ["java", "-jar", "target/later.jar"]
"""
IMAGES = """\
images:
  test/echo: {build: echo}
  test/later: {build: later}
"""


@pytest.fixture
def lacking(tmp_path: Path) -> Iterator[Mesh]:
    """`web`, which needs Python, and `later`, which needs a JDK that nobody has made yet."""
    mesh = small(tmp_path / "mesh")
    (mesh.folder / "later").mkdir()
    (mesh.folder / "later/Dockerfile").write_text(DOCKERFILE)
    (mesh.folder / "later/pom.xml").write_text("<project/>\n")
    (mesh.folder / "later.yaml").write_text(LATER)
    (mesh.folder / "lateen.yaml").write_text(IMAGES)
    yield mesh
    mesh.end()


def test_a_missing_toolchain_is_its_pod_s_reason_and_the_rest_runs(lacking: Mesh) -> None:
    done = lacking.up(check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    (pod,) = lacking.pods("later")
    assert pod["state"] == "BuildFailed"
    assert pod["message"].startswith("needs a JDK 99, ")
    assert "BuildFailed: needs a JDK 99, " in done.stdout
    answer = lacking.get("/")
    assert answer.status == 200
    assert answer.json["name"] == "web"
