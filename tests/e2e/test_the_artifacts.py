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


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.usefixtures("stack")
def test_a_handler_imports_from_the_built_artifacts_alone(name: str) -> None:
    artifacts.run(name, IMPORT)


@pytest.mark.usefixtures("stack")
def test_the_layer_holds_the_package_its_dependencies_and_no_tests() -> None:
    held = {path.name for path in LAYER.iterdir()}
    assert {"hookwatch", "boto3", "botocore", "pynamodb", "requests", "aws_lambda_powertools"} <= held
    assert not {"tests", "functions", "moto", "pytest", "ministack"} & held


@pytest.mark.usefixtures("stack")
def test_what_is_deployed_need_not_be_compiled_at_each_cold_start() -> None:
    sources = [path for path in BUILD.rglob("*.py") if path.stat().st_size]
    assert not [path for path in sources if not Path(cache_from_source(str(path))).exists()]
