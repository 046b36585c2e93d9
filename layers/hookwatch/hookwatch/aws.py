"""How AWS is called. A hung call must end, and be answered as an error, well before the function's own 30 s.

`AWS_MAX_ATTEMPTS` says how often a call is made at most, as it does for every SDK (AWS SDKs and Tools reference).
"""

import os

from botocore.config import Config

ATTEMPTS = int(os.environ.get("AWS_MAX_ATTEMPTS", "3"))
CONNECT_TIMEOUT, READ_TIMEOUT = 3, 5  # seconds

CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)
