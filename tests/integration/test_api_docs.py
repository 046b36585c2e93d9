"""docs/api.md lists every id of an error, every role and every limit that is a parameter, and no other."""

import re

from hookwatch.access.roles import ROLES
from tests.in_process.aws import ROOT
from tests.integration.test_template import RESOURCES, TEMPLATE

DOCUMENT = (ROOT / "docs" / "api.md").read_text()


def test_every_error_id_is_listed_and_no_other() -> None:
    code = "".join(path.read_text() for path in (ROOT / "layers" / "hookwatch" / "hookwatch").rglob("*.py"))
    raised = set(re.findall(r"Problem\(\s*(\d{3}),\s*\"(\w+)\"", code))
    answered = {
        (
            str(answer.get("StatusCode", status)),
            re.findall(r'"id":"(\w+)"', answer["ResponseTemplates"]["application/json"])[0],
        )
        for name, answer in RESOURCES["RestApi"]["Properties"]["GatewayResponses"].items()
        for status in [{"DEFAULT_4XX": "400", "DEFAULT_5XX": "503", "REQUEST_TOO_LARGE": "413"}.get(name)]
    }
    listed = {(status, id_) for id_, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", DOCUMENT, re.MULTILINE)}
    assert listed == {(status, id_) for status, id_ in raised | answered} | {("422", "validation_failed")}


def test_every_role_and_every_limit_that_is_a_parameter_is_listed_with_its_default() -> None:
    roles = DOCUMENT.partition("\n## Keys and roles\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \| [^|]* \|$", roles, re.MULTILINE)) == set(ROLES)
    for parameter in ("EndpointsPerApplication", "ApiRequestsPerSecond", "IngestRequestsPerSecond"):
        assert f"`{parameter}` {TEMPLATE['Parameters'][parameter]['Default']:,}" in DOCUMENT
