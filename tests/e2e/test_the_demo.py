"""`make demo` is the first thing that anybody runs."""

import subprocess
import sys

from tests.local_cloud.cloud import ROOT


def test_the_demo_sees_every_expected_event_verified_and_no_other() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.demo"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every expected event arrived, verified, and no other." in done.stdout
