"""What a bundle may be called: `hepar model install` takes nothing else, because it compares versions.

Looked at before a run begins, since it would be a pity to learn it after one.
"""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
VERSION = re.compile(r"(0|[1-9][0-9]{0,9})(\.(0|[1-9][0-9]{0,9})){0,3}")
LARGEST = 2**32 - 1


def check(name: str, version: str) -> None:
    """Raises ValueError for what the appliance's store refuses (its `BundleId`)."""
    fits = NAME.fullmatch(name) and VERSION.fullmatch(version)
    if not fits or max(map(int, version.split("."))) > LARGEST:
        raise ValueError(
            f"{name}@{version} is not NAME@VERSION: lower-case letters, digits and dashes, then one to "
            "four numbers with dots between them"
        )
