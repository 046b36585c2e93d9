"""Begins a replay through the API, and follows it until it has ended."""

import time
from collections.abc import Callable
from typing import Any

from hookwatch.operating.asking import Asking

_EVERY_SECONDS = 2


class Replaying:
    """`tell` is called with how far it is, when that has changed."""

    def __init__(self, asking: Asking, tell: Callable[[str], None]) -> None:
        self._asking, self._tell = asking, tell

    def begin(self, operational_endpoint_id: str, asked: dict[str, Any]) -> str:
        """The id of the replay.

        Raises:
            asking.Failed: one is running to that endpoint, or what is asked for cannot be replayed.
        """
        return str(self._asking.ask("POST", f"/{operational_endpoint_id}/replay", asked)["replay_id"])

    def cancel(self, replay_id: str) -> None:
        self._asking.ask("DELETE", f"/replays/{replay_id}")

    def follow(self, replay_id: str) -> dict[str, Any]:
        """As it is when it has ended. Stopped, it goes on all the same."""
        told = ""
        while True:
            replay = self._asking.ask("GET", f"/replays/{replay_id}")
            if replay["state"] != "running":
                return replay
            if (now := progress(replay)) != told:
                self._tell(now)
                told = now
            time.sleep(_EVERY_SECONDS)


def progress(replay: dict[str, Any]) -> str:
    looked = f"up to {replay['reached']}" if replay["reached"] else "nothing looked at yet"
    return f"{replay['counted']} events, {replay['sent']} deliveries queued, {replay['failed']} failed; {looked}"


def hint(replay_id: str) -> str:
    """For who does not want to wait."""
    return f"{replay_id} goes on. Follow it: make replay REPLAY={replay_id}; cancel it: … CANCEL=1"
