"""`python -m hookwatch.operating redrive|reemit|replay|restore|logs|smoke`: see docs/operations.md."""

import argparse
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from requests import RequestException

from hookwatch.operating.asking import Asking, Failed
from hookwatch.operating.deployment import Deployment, NotFound
from hookwatch.operating.logs import follow
from hookwatch.operating.redriving import SOURCES, redrive
from hookwatch.operating.reemitting import reemit
from hookwatch.operating.replaying import Replaying, hint
from hookwatch.operating.replaying import progress as progress_of
from hookwatch.operating.restoring import TABLES, NotAlike, restore
from hookwatch.operating.smoking import Smoke


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m hookwatch.operating")
    parser.add_argument("--stack", help="the name of the stack on AWS; without it, the local cloud's")
    commands = parser.add_subparsers(dest="command", required=True)
    redriving = commands.add_parser("redrive", help="take what lies on a dead-letter queue back")
    redriving.add_argument("queue", choices=sorted(SOURCES))
    reemitting = commands.add_parser("reemit", help="queue the deliveries that the emitter could not")
    reemitting.add_argument("--since", type=moment, required=True, help="RFC 3339, e.g. 2026-11-24T06:00:00Z")
    reemitting.add_argument("--until", type=moment)
    reemitting.add_argument("--application-id")
    reemitting.add_argument("--dry-run", action="store_true", help="count only")
    add_replay(commands)
    restoring = commands.add_parser("restore", help="copy what a restored table has into the stack's own")
    restoring.add_argument("table", choices=TABLES)
    restoring.add_argument("restored", help="the name of the restored table")
    restoring.add_argument("--overwrite", action="store_true", help="also what the stack's table has")
    following = commands.add_parser("logs", help="follow what the functions log")
    following.add_argument("--minutes", type=float, default=5, help="so far back it begins")
    following.add_argument("--id", default="", help="only lines that name this request, batch, event or endpoint")
    smoking = commands.add_parser("smoke", help="prove the main job, once, and leave nothing")
    smoking.add_argument("--seconds", type=float, default=30, help="so long a step may wait")
    asked = parser.parse_args(arguments)
    try:
        deployment = Deployment.named(asked.stack)
        if asked.command == "redrive":
            print(f"{redrive(deployment, asked.queue, progress)} messages taken back from {asked.queue}")
            return 0
        if asked.command == "restore":
            copied, left = restore(deployment, asked.table, asked.restored, progress, overwrite=asked.overwrite)
            print(f"{copied} items copied to {asked.table}, {left} left as they are there")
            return 0
        if asked.command == "logs":
            for line in follow(deployment, datetime.now(UTC) - timedelta(minutes=asked.minutes), asked.id):
                print(line, flush=True)
        if asked.command == "smoke":
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # it cleans up then too
            Smoke(deployment.api_url, key_of(deployment), partial(print, flush=True), asked.seconds).run()
            print("Hookwatch works.")
            return 0
        if asked.command == "replay":
            return replay(Replaying(Asking(deployment.api_url, key_of(deployment)), progress), asked)
        request = {"since": asked.since, "application_id": asked.application_id, "dry_run": asked.dry_run}
        counts = reemit(deployment, request | ({"until": asked.until} if asked.until else {}), progress)
    except (BotoCoreError, ClientError, Failed, NotAlike, NotFound, RequestException, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # how one stops it
        return 130
    print(
        f"{counts['events']} events looked at, {counts['deliveries']} deliveries "
        f"{'to queue' if asked.dry_run else 'queued'}, {counts['failed']} events that cannot be told"
    )
    return 1 if counts["failed"] else 0


def add_replay(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    replaying = commands.add_parser("replay", help="deliver events of the past once more, or follow a replay")
    replaying.add_argument("--replay", help="follow this one")
    replaying.add_argument("--cancel", action="store_true", help="end it")
    replaying.add_argument("--endpoint", help="the operational endpoint to replay to")
    replaying.add_argument("--since", type=moment, help="RFC 3339, e.g. 2026-11-24T06:00:00Z")
    replaying.add_argument("--until", type=moment)
    replaying.add_argument("--types", type=str.split, help="event types and presets")
    replaying.add_argument("--filter")
    replaying.add_argument("--only", choices=["all", "failed"])
    replaying.add_argument("--rate", type=int, dest="rate_per_second", help="deliveries a second")
    replaying.add_argument("--dry-run", action="store_true", help="count only")


def replay(replaying: Replaying, asked: argparse.Namespace) -> int:
    """
    Raises:
        Failed
    """
    names = ("since", "until", "types", "filter", "only", "rate_per_second", "dry_run")
    wanted = {name: value for name in names if (value := getattr(asked, name))}
    if asked.replay:
        replay_id = asked.replay
    elif asked.endpoint and asked.since:
        replay_id = replaying.begin(asked.endpoint, wanted)
    else:
        raise Failed("Replay what? Name ENDPOINT and SINCE, or a REPLAY to follow.")
    if asked.cancel:
        replaying.cancel(replay_id)
    try:
        ended = replaying.follow(replay_id)
    except KeyboardInterrupt:
        print(hint(replay_id), file=sys.stderr)
        return 130
    why = f" ({ended['reason']})" if ended["reason"] else ""
    print(f"{replay_id} is {ended['state']}{why}: {progress_of(ended)}")
    return 0 if ended["state"] == ("cancelled" if asked.cancel else "completed") and not ended["failed"] else 1


def key_of(deployment: Deployment) -> str:
    return os.environ.get("HOOKWATCH_API_KEY") or deployment.admin_key()


def moment(text: str) -> str:
    """RFC 3339 with a time zone; argparse says so of any other."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError
    return text


def progress(text: str) -> None:
    print(f"… {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
