"""Each handler imports from what sam built, and from nothing else on this machine."""

import json
import os
import subprocess
import sys

import pytest
from samcli.yamlhelper import yaml_parse

from tests.in_process.aws import SETTINGS
from tests.local_cloud.cloud import ROOT

BUILD = ROOT / ".aws-sam" / "build"
FUNCTIONS = (
    *("authorizer", "ingest", "observer", "sweeper", "alarms", "emitter", "reemitter", "delivery", "api", "eraser"),
)
IMPORT = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
import app
assert callable(app.handler)
foreign = [m.__file__ for m in list(sys.modules.values()) if "site-packages" in (getattr(m, "__file__", None) or "")]
assert not foreign, foreign
"""


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.usefixtures("stack")
def test_a_handler_imports_from_the_built_artifacts_alone(name: str) -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    variables = [
        *template["Globals"]["Function"]["Environment"]["Variables"],
        *template["Resources"][name.capitalize()]["Properties"].get("Environment", {}).get("Variables", {}),
    ]
    environment = {variable: SETTINGS.get(variable, "x") for variable in variables} | {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "eu-central-1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    del environment["PYTHONWARNINGS"]
    paths = json.dumps([str(BUILD / name.capitalize()), str(BUILD / "HookwatchLayer" / "python")])
    done = subprocess.run(
        [sys.executable, "-S", "-c", IMPORT, paths],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("stack")
def test_the_layer_holds_the_package_its_dependencies_and_no_tests() -> None:
    held = {path.name for path in (BUILD / "HookwatchLayer" / "python").iterdir()}
    assert {"hookwatch", "boto3", "botocore", "pynamodb", "requests", "aws_lambda_powertools"} <= held
    assert not {"tests", "functions", "moto", "pytest", "ministack"} & held
