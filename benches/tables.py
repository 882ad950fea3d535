"""Tables of single parts, ours beside the peers': tables.py CRITERION_DIR RESULTS_DIR.

Reads criterion's samples and peers.json, writes engine.md, decode.md, seg.md, keep.md and parts.md.
"""

import json
import sys
from pathlib import Path

criterion, results = map(Path, sys.argv[1:])
peers = json.loads((results / "peers.json").read_text())


def ours(group, function):
    """Seconds of the fastest sample, as for the peers; None if it was not measured."""
    clean = "".join("_" if c in '?"/\\*<>:|^' else c for c in function)
    file = criterion / group / clean / "new" / "sample.json"
    if not file.is_file():
        return None
    sample = json.loads(file.read_text())
    return min(time / times for time, times in zip(sample["times"], sample["iters"])) / 1e9


def ms(seconds):
    if seconds is None:
        return "-"
    value = seconds * 1e3
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def ratio(ours, theirs):
    return "-" if ours is None or theirs is None else f"{theirs / ours:.2f}"


def write(name, head, rows):
    lines = [head, ["---"] * len(head), *rows]
    text = "".join("| " + " | ".join(row) + " |\n" for row in lines)
    text = text.replace("| --- ", "|---").replace("|--- |", "|---|")
    (results / f"{name}.md").write_text(text)


# Multiplications and additions in the shipped network: 1.623e9 multiply-accumulates in the encoder's
# convolutions and matrix products, 0.167e9 in the head's.
NETWORK_FLOP = 2 * 1.790e9

versions, flops = peers["versions"], peers["flops"]
tract, bare = ours("engine", "tract"), ours("engine", "bare tract")
ort = ours("engine", "onnxruntime")
direct = peers["engine/onnxruntime"]
rten = peers.get("engine/rten")
write(
    "engine",
    ["encoder and head, one slice, one thread", "ours, ms", "the library called directly, ms", "directly / ours"],
    [
        ["tract, f32", ms(tract), ms(bare), ratio(tract, bare)],
        [f"ONNX Runtime {versions['onnxruntime']}, int8", ms(ort), ms(direct), ratio(ort, direct)],
        *([["rten", "", ms(rten), ""]] if rten else []),
        [
            f"limit of f32: {NETWORK_FLOP / 1e9:.2f} GFLOP at the {flops / 1e9:.0f} GFLOP/s of OpenBLAS' matrix product",
            "",
            ms(NETWORK_FLOP / flops),
            "",
        ],
    ],
)

rows = []
for syntax in ["uncompressed", "jpeg-lossless", "jpeg-ls", "jpeg-2000"]:
    mine, theirs = ours("decode", syntax), peers[f"decode/pydicom/{syntax}"]
    name = syntax.replace("jpeg", "JPEG").replace("-ls", "-LS").replace("-2000", " 2000").replace("-lossless", " lossless")
    rows.append([name, ms(mine), ms(theirs), ratio(mine, theirs)])
write("decode", ["a slice of 512×512, file to HU", "ours, ms", "pydicom + pylibjpeg, ms", "times as fast"], rows)

seg = ours("series", "seg")
make, save = peers["seg/highdicom/make"], peers["seg/highdicom/save"]
write(
    "seg",
    ["SEG of 300 slices, 2 segments", "made, ms", "and saved, ms"],
    [
        ["**Hepar**", "", ms(seg)],
        [f"highdicom {versions['highdicom']}", ms(make), ms(make + save)],
        ["times as fast", "", ratio(seg, make + save)],
    ],
)

rows = []
for threads in (1, 8):
    mine = ours("keep", f"{threads} at once")
    disk = ours("keep", f"{threads} at once, the disk alone")
    rows.append([str(threads), ms(mine), ms(disk), ratio(mine, disk)])
write("keep", ["instances at once", "each, ms", "the disk alone, ms", "share of the disk's rate"], rows)

parts = [
    ("slice", "lay out", "lay out a slice for the network"),
    ("slice", "lay out, transposed", "the same, transposed"),
    ("slice", "histogram", "histogram of a slice"),
    ("slice", "log odds", "logits to log odds"),
    ("slice", "unpack", "log odds to probabilities"),
    ("slice", "mean of neighbours", "mean over 7 neighbours"),
    ("slice", "labels", "labels of 512×512"),
    ("series", "clean", "clean the labels of 300 slices"),
    ("series", "measure", "measure 300 slices"),
    ("journal of 10 000 series", "the page's 50 series", "journal of 10 000 series: the page's 50"),
    ("journal of 10 000 series", "what retention may remove", "the same: what retention may remove"),
    ("journal of 10 000 series", "opening and checking", "the same: opening and checking it"),
    ("journal of 10 000 series", "a durable step of a series", "a durable step of a series"),
]
write("parts", ["part, one core", "ms"], [[name, ms(ours(group, function))] for group, function, name in parts])
