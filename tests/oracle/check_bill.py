"""Holds a bill of materials against CycloneDX's own schema.

Usage: check_bill.py FILE
"""

import importlib.util
import json
import sys
from pathlib import Path

from jsonschema import Draft7Validator
from referencing import Registry, Resource

# The library's schemas only: its models would need half a dozen packages more.
SCHEMAS = Path(importlib.util.find_spec("cyclonedx").submodule_search_locations[0]) / "schema/_res"


def schema(name: str) -> dict:
    return json.loads((SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text())


def main() -> None:
    bill = json.loads(Path(sys.argv[1]).read_text())
    beside = [Resource.from_contents(schema(name)) for name in ("spdx", "jsf-0.82")]
    registry = Registry().with_resources((resource.id(), resource) for resource in beside)
    validator = Draft7Validator(schema(f"bom-{bill['specVersion']}"), registry=registry)
    problems = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(bill)]
    print(f"{len(bill['components'])} components")
    sys.exit("\n".join(problems) or None)


if __name__ == "__main__":
    main()
