"""`models/train` makes its environment once, again when that was cut short, and anew for other requirements."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TRAIN = Path(__file__).parents[1] / "train"
VENV = """#!/bin/sh
rm -rf "$4" && mkdir -p "$4/bin" && cp "$(dirname "$0")/installed" "$4/bin/python"
"""
INSTALLED = """#!/bin/sh
echo "$2" >> "$(dirname "$0")/../../calls"
case "$2" in pip) test ! -e "$(dirname "$0")/../../offline" ;; esac
"""
"""In place of Python: the one that makes environments, and the one within, which says what it was asked to run."""


class Environment(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        shutil.copy(TRAIN, self.folder)
        (self.folder / "requirements.txt").write_text("one==1\n")
        for name, script in (("python3", VENV), ("installed", INSTALLED)):
            path = self.folder / "path" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(script)
            path.chmod(0o755)

    def runs(self) -> list[str]:
        """The modules that one call of the script runs."""
        calls = self.folder / "calls"
        calls.unlink(missing_ok=True)
        path = f"{self.folder / 'path'}:{os.environ['PATH']}"
        subprocess.run([self.folder / "train"], check=False, env=os.environ | {"PATH": path})
        return calls.read_text().split()

    def test_an_installation_is_made_once_and_again_for_other_requirements(self) -> None:
        self.assertEqual(self.runs(), ["pip", "pipeline"])
        self.assertEqual(self.runs(), ["pipeline"])
        (self.folder / "requirements.txt").write_text("one==2\n")
        self.assertEqual(self.runs(), ["pip", "pipeline"])

    def test_an_installation_that_failed_is_made_again(self) -> None:
        (self.folder / "offline").touch()
        self.assertEqual(self.runs(), ["pip"])
        (self.folder / "offline").unlink()
        self.assertEqual(self.runs(), ["pip", "pipeline"])


if __name__ == "__main__":
    unittest.main()
