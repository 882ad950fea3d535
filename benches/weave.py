"""Puts measured tables into a document: weave.py DOCUMENT RESULTS_DIR.

A table stands between `<!-- NAME -->` and `<!-- end -->`; NAME.md replaces it. Tables that were not
measured stay as they are.
"""

import re
import sys
from pathlib import Path

document, results = map(Path, sys.argv[1:])


def measured(match):
    file = results / f"{match[1]}.md"
    table = file.read_text().strip() if file.is_file() else match[2].strip()
    return f"<!-- {match[1]} -->\n\n{table}\n\n<!-- end -->"


text = document.read_text()
document.write_text(re.sub(r"<!-- (\w+) -->\n(.*?)<!-- end -->", measured, text, flags=re.S))
