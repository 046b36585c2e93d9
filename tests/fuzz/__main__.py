"""`python -m tests.fuzz [--seconds 600] [--seed 1]`: on a local cloud of its own, which ends with it."""

import argparse
import random
import sys

from tests.fuzz import fuzz
from tests.local_cloud.cloud import ROOT, CloudError, down, up

STATE = ROOT / ".local" / "fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311  # of tests
    given = parser.parse_args()
    try:
        return fuzz(up(STATE, lambda text: print(f"… {text}", flush=True)), seconds=given.seconds, seed=given.seed)
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        down(STATE)


if __name__ == "__main__":
    sys.exit(main())
