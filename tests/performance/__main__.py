"""Benchmarks, on a local cloud of their own."""

from tests.local_cloud.cloud import ROOT, down, up
from tests.performance import answers, healthy_attempts, isolation


def main() -> None:
    state = ROOT / ".local" / "bench"
    down(state)
    try:
        stack = up(state, print, port=4866)
        isolation.tell(isolation.measure(stack, turning=True))
        answers.tell(answers.measure(stack))
        healthy_attempts.measure(stack)
    finally:
        down(state)


if __name__ == "__main__":
    main()
