"""Schemathesis, in a virtual environment of its own, against the deployed application: `make fuzz`."""

import os
import subprocess
from pathlib import Path

from tests.local_cloud.cloud import ROOT, Stack
from tests.local_cloud.world import World
from tests.openapi import FILE

COMMAND = ROOT / ".venv" / "schemathesis" / "bin" / "schemathesis"


def fuzz(stack: Stack, *, seconds: int, seed: int) -> int:
    """Asks what the document says can be asked, well and badly, for so long, and holds the answers against it. Tells
    on the screen what it finds; 0 where that is nothing."""
    world, folder = World.of(stack), Path(__file__).parent
    settings = {
        "HOOKWATCH_URL": world.admin.base,
        "HOOKWATCH_KEY": stack.api_key,
        "HOOKWATCH_APPLICATION_ID": world.shop,
        "HOOKWATCH_OPERATIONAL_ENDPOINT_ID": world.endpoint,
        "HOOKWATCH_EVENT_ID": world.event,
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(folder),
    }
    ended = subprocess.run(
        [
            *(COMMAND, "--config-file", folder / "schemathesis.toml"),
            *("run", FILE, "--max-time", str(seconds), "--seed", str(seed), "--no-color"),
        ],
        env=os.environ | settings,
        check=False,
    )
    return ended.returncode
