"""`make faults`: every call of AWS fails in every way."""

import sys
import time

import tests.conftest  # noqa: F401  # the environment of the functions, whose package the story uses
from tests.aws_faults.faults import KINDS
from tests.aws_faults.run import broken_cloud, run
from tests.local_cloud.cloud import ROOT


def main() -> int:
    with broken_cloud(ROOT / ".local" / "faults", lambda text: print(f"… {text}", flush=True)) as (stack, between):
        for turn in range(len(KINDS)):
            begun = time.monotonic()
            run(stack, between, turn)
            print(
                f"turn {turn + 1} of {len(KINDS)}: nothing lost, nothing twice, in {time.monotonic() - begun:.0f} s",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
