"""What sam built, as Lambda would run it: a handler in a fresh interpreter, with nothing else to import."""

import os
import subprocess
import sys
from functools import cache
from typing import Any

from samcli.yamlhelper import yaml_parse

from tests.in_process.aws import SETTINGS
from tests.local_cloud.cloud import ROOT

BUILD = ROOT / ".aws-sam" / "build"
LAYER = BUILD / "HookwatchLayer" / "python"
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))


def run(name: str, code: str) -> str:
    """What `code` prints, run where the function `name` would be, in the environment that the template gives it.

    Raises:
        RuntimeError: it failed; the message says how.
    """
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {_paths(name)}\n{code}"],
        env=_environment(name),
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def _paths(name: str) -> list[str]:
    """The function's code comes before the layer's, as on Lambda."""
    return [str(BUILD / name.capitalize()), str(LAYER)]


@cache
def _environment(name: str) -> dict[str, str]:
    """Lambda gives credentials and writes no bytecode, for it cannot."""
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    variables = [
        *template["Globals"]["Function"]["Environment"]["Variables"],
        *template["Resources"][name.capitalize()]["Properties"].get("Environment", {}).get("Variables", {}),
    ]
    told = {variable: SETTINGS.get(variable, "x") for variable in variables if variable != "PYTHONWARNINGS"}
    return told | {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
