"""The example of the README does what the README says, from `make smoke`'s own script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LACKING = [
    program for program in ("go", "javac", "mvn", "node", "npm") if not shutil.which(program)
]


@pytest.mark.skipif(bool(LACKING), reason=f"to build the example: {', '.join(LACKING)}")
def test_the_polyglot_example_answers_through_its_ingress(tmp_path: Path) -> None:
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
    for shown in ("-> 2.0", "FastAPI -> Go", "(Java)", "(Node front page)", "canary calls"):
        assert [
            line for line in done.stdout.splitlines() if shown in line and line.startswith("ok")
        ]
