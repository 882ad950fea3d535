"""dciodvfy, the validator of dicom3tools."""

import subprocess
from pathlib import Path


def errors(path: Path) -> list[str]:
    """Its errors; and its warnings, except those listed here with the reason they are wrong."""
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
    lines = (run.stdout + run.stderr).splitlines()
    found = [line.strip() for line in lines if line.startswith(("Error", "Warning"))]
    return [line for line in found if not any(known in line for known in EXPECTED)]


EXPECTED = [
    # In the Contributing Equipment Sequence of PS3.3 C.12.1; the list in Debian's dciodvfy is older.
    "Attribute is not present in standard DICOM IOD - (0x0018,0x1002) UI Device UID",
    "Dicom dataset contains attributes not present in standard DICOM IOD",
    # A source that leaves them empty has nothing to repeat, and its words are repeated as they are.
    "Missing attribute or value that would be needed to build DICOMDIR",
    "Unrecognized defined term",
    "Retired Person Name form",
]
