"""Each handler imports from what sam built, and from nothing else on this machine."""

from importlib.util import cache_from_source
from pathlib import Path

import pytest

from tests.local_cloud import artifacts
from tests.local_cloud.artifacts import BUILD, FUNCTIONS, LAYER

IMPORT = """
import app
assert callable(app.handler)
foreign = [m.__file__ for m in list(sys.modules.values()) if "site-packages" in (getattr(m, "__file__", None) or "")]
assert not foreign, foreign
"""

# What the hops need not, and what each cold start would pay for: 10 to 40 ms each.
SPARED = """
import app
found = {"boto3", "pydantic", "jsonschema_rs", "aws_lambda_powertools.event_handler"} & set(sys.modules)
assert not found, found
"""


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.usefixtures("stack")
def test_a_handler_imports_from_the_built_artifacts_alone(name: str) -> None:
    artifacts.run(name, IMPORT)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("api", "ingest")])
@pytest.mark.usefixtures("stack")
def test_a_hop_imports_only_what_it_needs(name: str) -> None:
    artifacts.run(name, SPARED)


@pytest.mark.usefixtures("stack")
def test_the_layer_holds_the_package_its_dependencies_and_no_tests() -> None:
    held = {path.name for path in LAYER.iterdir()}
    assert {"hookwatch", "boto3", "botocore", "pynamodb", "requests", "aws_lambda_powertools"} <= held
    assert not {"tests", "functions", "moto", "pytest", "ministack"} & held


@pytest.mark.usefixtures("stack")
def test_what_is_deployed_need_not_be_compiled_at_each_cold_start() -> None:
    sources = [path for path in BUILD.rglob("*.py") if path.stat().st_size]
    assert not [path for path in sources if not Path(cache_from_source(str(path))).exists()]
