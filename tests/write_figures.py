"""Puts measured figures between the marks of a document: write_figures.py DIRECTORY DOCUMENT.

A mark is `<!-- NAME: | table | head | -->`, ended by `<!-- end -->`; the lines between are replaced by the
head and the lines of DIRECTORY/NAME.md. Where there is no such file they stay what they are.
"""

import re
import sys
from pathlib import Path

MARK = re.compile(r"<!-- ([\w-]+): (\|[^\n]*\|) -->\n(.*?)<!-- end -->", re.DOTALL)


def table(directory, match):
    name, head, _ = match.groups()
    figures = directory / f"{name}.md"
    if not figures.exists():
        return match.group()
    lines = figures.read_text()
    columns = head.count("|") - 1
    if not lines.startswith("|"):
        # A sentence needs no table around it.
        return f"<!-- {name}: {head} -->\n{lines}<!-- end -->"
    return f"<!-- {name}: {head} -->\n{head}\n{'|---' * columns}|\n{lines}<!-- end -->"


def main(directory, document):
    text = document.read_text()
    document.write_text(MARK.sub(lambda match: table(directory, match), text))


main(Path(sys.argv[1]), Path(sys.argv[2]))
