# Fetches exactly the crates that a Cargo.lock names, with the checksums it names.
#
# The list is read when the recipe is parsed, so there is no second list that could lag behind, and
# the build runs with --frozen: a crate that is missing here, or differs, is an error.

# The file, which has to be there when the recipe is parsed.
CARGO_LOCK ?= ""

python () {
    import re

    lock = d.getVar("CARGO_LOCK")
    bb.parse.mark_dependency(d, lock)
    with open(lock, encoding="utf-8") as file:
        packages = file.read().split("[[package]]")[1:]

    registry = "registry+https://github.com/rust-lang/crates.io-index"
    crates = []
    for package in packages:
        fields = dict(re.findall(r'^(\w+) = "([^"]*)"$', package, re.MULTILINE))
        source = fields.get("source")
        if source is None:
            continue
        name, version = fields["name"], fields["version"]
        if source != registry or "checksum" not in fields:
            bb.fatal("%s: %s %s is not a checked crate of crates.io" % (lock, name, version))
        crates.append("crate://crates.io/%s/%s" % (name, version))
        d.setVarFlag("SRC_URI", "%s-%s.sha256sum" % (name, version), fields["checksum"])
    d.appendVar("SRC_URI", " " + " ".join(crates))
}
