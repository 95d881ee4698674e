"""The example of the README does what the README says, from `make smoke`'s own script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SHOWN = (
    "-> 2.0",
    "/api/v1/ml/predict",
    "FastAPI -> Go",
    "(Go)",
    "(Java)",
    "(Node front page)",
    "HTTPS",
    "egress gateway",
    "canary calls",
)
# Python runs the tests; Go and Node come as wheels where the machine has none.
LACKING = [program for program in ("javac", "mvn") if not shutil.which(program)]


@pytest.mark.skipif(
    bool(LACKING) and not os.environ.get("CI"),
    reason=f"to build the example: {', '.join(LACKING)}",
)
def test_the_polyglot_example_answers_through_its_ingress(tmp_path: Path) -> None:
    assert not LACKING, "CI installs a JDK and Maven: see .ci/run"
    short = Path(f"/tmp/lts{os.getpid()}")
    environment = {
        **os.environ,
        "LATEEN_RUN_DIR": str(short),
        "LATEEN_STATE_DIR": str(tmp_path / "state"),
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/smoke.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    shutil.rmtree(short, ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = [line for line in done.stdout.splitlines() if line.startswith("ok")]
    for shown in SHOWN:
        assert [line for line in seen if shown in line], (shown, done.stdout)
