"""How AWS is called. A hung call must end, and be answered as an error, well before the function's own 30 s.

`AWS_MAX_ATTEMPTS` says how often a call is made at most, as it does for every SDK (AWS SDKs and Tools reference).
"""

import gc
import os
from functools import cache
from threading import Lock
from typing import Any

from botocore.config import Config
from botocore.session import Session

import hookwatch

# By who calls. AWS's own says much more, and is put together twice for each call: a sixth of what that costs.
_APPLICATION = os.environ.get("AWS_SDK_UA_APP_ID")  # as every SDK tells it
_USER_AGENT = f"Hookwatch/{hookwatch.__version__}" + (f" app/{_APPLICATION}" if _APPLICATION else "")
ATTEMPTS = int(os.environ.get("AWS_MAX_ATTEMPTS", "3"))
CONNECT_TIMEOUT, READ_TIMEOUT = 3, 5  # seconds

_CONFIG = Config(
    user_agent=_USER_AGENT,
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)
_making = Lock()


class _Session(Session):
    """Makes clients for any thread, one at a time (botocore's own is for one thread)."""

    def create_client(self, *args: Any, **kwargs: Any) -> Any:
        with _making:
            made = super().create_client(*args, **kwargs)
        gc.freeze()  # what it knows stays, and to look through it for garbage takes 30 ms each time
        return made


@cache
def session() -> Session:
    """One for all clients: the first of a session reads what botocore knows of AWS, ten times as long as all else."""
    made = _Session()
    made.set_default_client_config(_CONFIG)
    return made


def client(service: str, config: Config | None = None) -> Any:
    return session().create_client(service, config=config)
