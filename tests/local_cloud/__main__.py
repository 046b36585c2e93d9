"""`python -m tests.local_cloud up|down`: the local cloud with the application deployed, left running, or stopped."""

import sys

from tests.local_cloud.cloud import ROOT, CloudError, down, up

STATE = ROOT / ".local"


def main(command: str) -> int:
    if command == "down":
        print("stopped" if down(STATE) else "it was not running")
        return 0
    if command == "clean":
        for pid in STATE.rglob("pid"):
            down(pid.parent)
        return 0
    try:
        stack = up(STATE, lambda text: print(f"… {text}", flush=True))
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"Hookwatch is up at {stack.api_url}. All about it is in .local/stack.json. Try:\n\n"
        '  curl -H @.local/headers "$(cat .local/url)/event_types"\n\n'
        "Stop it with: make down"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
