"""`python -m tests.sam_local [STATE]`: `sam local invoke` for every file of `events/`, and `sam local start-api`.

STATE is the folder of a local cloud that runs (`.local` after `make up`); without it one is brought up and taken down.
Where no container engine answers, one line says so and nothing is wrong.

The containers have to reach the local cloud, which listens on this machine's 127.0.0.1. On Linux connections to the
engine's bridge are handed on to it; elsewhere, and with Docker Desktop, it is reached as `host.docker.internal`. The
environment variable SAM_LOCAL_HOST names another host, and the local cloud's own port is then used on it.
"""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import ROOT, CloudError, Stack, down, up
from tests.sam_local import engine as engines
from tests.sam_local import sam as sams
from tests.sam_local.answers import CHECKS, Wrong, expect
from tests.sam_local.sam import Sam, SamFailed

STATE = ROOT / ".local" / "sam"
PORT = 4966


class Failed(Exception):
    """What failed, in one line."""


def say(text: str) -> None:
    print(text, flush=True)


@contextlib.contextmanager
def cloud(given: Path | None) -> Iterator[Stack]:
    """The local cloud whose state folder is given, or one of our own, which ends with us."""
    if given is not None:
        try:
            known = json.loads((given / "stack.json").read_text())
        except FileNotFoundError as error:
            raise Failed(f"No local cloud runs in {given}.") from error
        yield Stack(**known)
        return
    try:
        yield up(STATE, lambda text: say(f"… {text}"), port=PORT)
    finally:
        down(STATE)


def invoke_all(sam: Sam) -> None:
    for event in sorted((ROOT / "events").glob("*.json")):
        function = event.stem.split("_")[0].capitalize()
        name = f"sam local invoke {function} -e events/{event.name}"
        try:
            check = CHECKS[event.stem]
        except KeyError:
            raise Failed(f"tests/sam_local/answers.py does not say what events/{event.name} is answered.") from None
        started = time.monotonic()
        try:
            seen = check(sam.invoke(function, event))
        except (SamFailed, Wrong) as error:
            raise Failed(f"{name}: {error}") from error
        say(f"  {name:52} {seen} ({time.monotonic() - started:.0f} s)")


def call_api(sam: Sam) -> None:
    """An operational endpoint is created, read and deleted through the authorizer with the admin key, as deployed."""
    started = time.monotonic()
    try:
        with sam.start_api() as url:
            stack = replace(sam.stack, api_url=url)
            seen = " · ".join(create_read_delete(Api(stack), Api(stack, key="hwk_admin_" + "0" * 43)))
    except (SamFailed, Wrong, requests.RequestException) as error:
        raise Failed(f"sam local start-api: {error}") from error
    say(f"  sam local start-api: {seen} ({time.monotonic() - started:.0f} s)")


def create_read_delete(api: Api, stranger: Api) -> Iterator[str]:
    def answered(what: str, response: requests.Response, *statuses: int) -> str:
        expect(response.status_code in statuses, f"{statuses[0]} to {what}", f"{response.status_code} {response.text}")
        return f"{what} {response.status_code}"

    yield answered("wrong key", stranger.get(""), 403, 401)
    created = api.post("", {"application_id": "shop", "url": "http://127.0.0.1:9/sam-local"})
    yield answered("create", created, 201)
    path = f"/{created.json()['operational_endpoint_id']}"
    read = api.get(path)
    yield answered("read", read, 200)
    body: dict[str, Any] = read.json()
    expect(body["url"] == created.json()["url"], "the endpoint that was created", body)
    yield answered("delete", api.delete(path), 204)
    yield answered("read again", api.get(path), 404)


def play(engine: Any, given: Path | None) -> None:
    with cloud(given) as stack, engines.way_to(urlsplit(stack.endpoint_url).port or 80, engine) as cloud_url:
        say(f"… containers reach the local cloud at {cloud_url}")
        sam = sams.prepare(STATE, stack, cloud_url)
        try:
            invoke_all(sam)
            call_api(sam)
        finally:
            engines.remove_left_over(engine, sam.build)


def main(given: Path | None) -> int:
    engine = engines.find()
    if engine is None:
        say("sam local: skipped, for no container engine answers (DOCKER_HOST names the socket of one)")
        return 0
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        play(engine, given)
    except (CloudError, engines.NoWay) as error:
        print(error, file=sys.stderr)
        return 1
    except Failed as error:
        print(f"{error}; see {STATE.relative_to(ROOT)}/sam.log", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    say("Every function answered as it should, in a container.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None))
