"""Prints a table's lines of the tests of each suite in a JUnit account: count_suites.py JUNIT.XML."""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter


def main(account):
    tests, failed = Counter(), Counter()
    for case in ElementTree.parse(account).iter("testcase"):
        suite = "::".join(case.get("name").split("::")[:-1]).removesuffix("::tests")
        tests[suite] += 1
        failed[suite] += case.find("failure") is not None or case.find("error") is not None
    for suite in sorted(tests):
        print(f"| `{suite}` | {tests[suite]} | {failed[suite]} |")


main(sys.argv[1])
