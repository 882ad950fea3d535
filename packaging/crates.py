"""Which crates the program is compiled from: those of every architecture that is released, and not
those of tests and build scripts alone. packaging/sbom and packaging/notices speak of the same ones."""

import json
import pathlib
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]


def released():
    """This package, and the crates in it by name and version, as `cargo metadata` describes them."""
    packages, root = {}, None
    for target in TARGETS:
        graph = metadata(target)
        wanted = compiled(graph)
        root = next(it for it in graph["packages"] if it["id"] == graph["resolve"]["root"])
        packages |= {it["id"]: it for it in graph["packages"] if it["id"] in wanted}
    del packages[root["id"]]
    return root, sorted(packages.values(), key=lambda it: (it["name"], it["version"]))


def expression(package):
    """The licence as SPDX writes it; empty where the crate names none."""
    # Crates of old write a slash where SPDX wants OR.
    return " ".join((package["license"] or "").replace("/", " OR ").split())


def model():
    """The manifest of the bundle inside the program, and the bytes that it was read from."""
    manifest = (ROOT / "models" / "liver-tumour" / "bundle.toml").read_bytes()
    return tomllib.loads(manifest.decode()), manifest


def metadata(target):
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def compiled(graph):
    """Package identifiers reachable from the root through normal dependencies."""
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    seen, pending = set(), [graph["resolve"]["root"]]
    while pending:
        here = pending.pop()
        if here in seen:
            continue
        seen.add(here)
        for dependency in nodes[here]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                pending.append(dependency["pkg"])
    return seen
