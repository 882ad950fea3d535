"""Reads yocto/meta-hepar with BitBake's own parser and holds it against the repository it is part of.

It proves that the layer parses, that what it names is there, and that versions, licences, crates and units agree with
the sources. It does not prove that anything builds, and knows nothing of the layers it depends on.

Usage: check_layer.py [--mutant NAME] LAYER; a mutant is a copy of the layer with something wrong in it.
"""

import configparser
import glob
import hashlib
import os
import re
import shutil
import sys
import tempfile
import tomllib
import types
from pathlib import Path

from stub import build_folder

# The parser imports its hash server client, which the wheel leaves out and parsing does not need.
for _name in ("hashserv", "hashserv.client"):
    sys.modules[_name] = types.ModuleType(_name)
sys.modules["hashserv"].client = sys.modules["hashserv.client"]

import bb.cookerdata  # noqa: E402
import bb.fetch2  # noqa: E402
import bb.parse  # noqa: E402

FORBIDDEN_FEATURES = {
    "allow-empty-password", "allow-root-login", "debug-tweaks", "empty-root-password", "package-management",
    "post-install-logging", "serial-autologin-root", "ssh-server-dropbear", "ssh-server-openssh", "tools-debug",
}
MACHINES = {
    "jetson-agx-orin-devkit", "jetson-orin-nano-devkit", "jetson-orin-nano-devkit-nvme", "p3768-0000-p3767-0000",
    "p3768-0000-p3767-0001", "p3768-0000-p3767-0003", "p3768-0000-p3767-0004",
}
# What a mutant has wrong: a file, and what stands there instead of what.
MUTANTS = {
    "series": ("conf/layer.conf", '_hepar = "wrynose"', '_hepar = "scarthgap"'),
    "crate": ("classes-recipe/cargo_lock_crates.bbclass", 'split("[[package]]")[1:]', 'split("[[package]]")[9:]'),
    "order": ("recipes-hepar/hepar-config/files/var-lib-hepar.mount", "After=var-volatile-lib.service\n", ""),
    "log": ("conf/distro/hepar.conf", "files/fs-perms-volatile-log.txt", "files/fs-perms-volatile-tmp.txt"),
    "trial": (
        "dynamic-layers/rauc/recipes-hepar/hepar-update/files/hepar-update-confirm.service",
        "RequiresMountsFor=/var/lib/hepar\n", "",
    ),
    "vouching": (
        "dynamic-layers/tegra/recipes-hepar/images/hepar-image-jetson.bb",
        'BAD_RECOMMENDATIONS += "rauc-mark-good"\n', "",
    ),
    "keyring": ("dynamic-layers/rauc/recipes-core/rauc/files/system.conf", "path=@KEYRING@", "path=ca.cert.pem"),
    "console": ("recipes-hepar/hepar-config/files/console.conf", "journal+console", "journal"),
}


def parse(layer: Path, folder: Path, beside: list[str], local_conf: str = "") -> tuple[dict, object]:
    """Every recipe of the layer that is read when the layers `beside` are there, by name; and what reads more."""
    build = build_folder(folder, layer, beside, local_conf)
    os.chdir(build)
    configuration = bb.cookerdata.CookerConfiguration()
    configuration.env = {"PATH": os.environ["PATH"]}
    builder = bb.cookerdata.CookerDataBuilder(configuration, worker=True)
    builder.basedata.setVar("TOPDIR", str(build))
    builder.parseBaseConfiguration(worker=True)
    files = [file for pattern in builder.data.getVar("BBFILES").split() for file in sorted(glob.glob(pattern))]
    appends = [file for file in files if file.endswith(".bbappend")]
    recipes = {}
    for file in files:
        if file.endswith(".bb"):
            recipe = builder.parseRecipe(file, [], "hepar")
            recipes[recipe.getVar("PN")] = recipe
    if appends:
        [append] = appends
        rauc = str(folder / "core/recipes-core/rauc/rauc-conf.bb")
        recipes["rauc-conf"] = builder.parseRecipe(rauc, [append], "core")
    recipes["distro"] = builder.data
    return recipes, builder


def sources(recipe) -> list[str]:
    return (recipe.getVar("SRC_URI") or "").split()


def local_path(source: str, recipe) -> str:
    fetch = bb.fetch2.FetchData(source, recipe)
    fetch.setup_localpath(recipe)
    return fetch.localpath


def settings(text: str) -> configparser.ConfigParser:
    """A unit, or another file in its form."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read_string(text)
    return parser


def check_recipe(recipe, tree: Path) -> None:
    """What holds for each of them."""
    name = recipe.getVar("PN")
    for source in sources(recipe):
        fetch = bb.fetch2.FetchData(source, recipe)
        if fetch.type == "file":
            assert os.path.exists(local_path(source, recipe)), f"{name}: {source} is not there"
    licence = recipe.getVar("LICENSE")
    crate = tomllib.loads((tree / "Cargo.toml").read_text())["package"]["license"]
    model = tomllib.loads((tree / "models/liver-tumour/bundle.toml").read_text())["licence"]
    expected = model if name.startswith("hepar-model-") else crate.replace(" OR ", " | ")
    assert licence == expected, f"{name}: LICENSE is {licence}, the source says {expected}"
    for text in (recipe.getVar("LIC_FILES_CHKSUM") or "").split():
        check_licence_text(recipe, text, tree)
    install = recipe.getVar("do_install", False) or ""
    for file in re.findall(r"\$\{S\}/([\w./@-]+)", install):
        beside = [Path(path) / file for path in recipe.getVar("FILESPATH").split(":")]
        there = [tree / file] if recipe.getVar("EXTERNALSRC") else beside
        assert any(path.exists() for path in there), f"{name}: installs {file}, which is not there"
    enabled = set((recipe.getVar(f"SYSTEMD_SERVICE:{name}") or "").split())
    units = set(re.findall(r"[\w@.-]+\.(?:service|mount|timer)\b", install))
    assert enabled <= units, f"{name}: {enabled - units} is enabled and not installed"
    # The class packs what is enabled; everything else has to be named.
    packed = (recipe.getVar(f"FILES:{name}") or "").split()
    others = units - enabled
    assert not others or recipe.getVar("systemd_system_unitdir") in packed, f"{name}: {others} is installed and not packed"


def check_licence_text(recipe, text: str, tree: Path) -> None:
    url, *parameters = text.removeprefix("file://").split(";")
    parameters = dict(parameter.split("=") for parameter in parameters)
    if url.startswith(recipe.getVar("COMMON_LICENSE_DIR")):
        return
    candidates = [tree / url, *(Path(path) / url for path in recipe.getVar("FILESPATH").split(":"))]
    file = next(path for path in candidates if path.exists())
    lines = file.read_bytes().splitlines(keepends=True)
    first, last = int(parameters.get("beginline", 1)), int(parameters.get("endline", len(lines)))
    found = hashlib.md5(b"".join(lines[first - 1:last])).hexdigest()
    assert found == parameters["md5"], f"{recipe.getVar('PN')}: the licence text in {url} has md5 {found}"


def check_crates(recipe, tree: Path) -> None:
    """Exactly the crates of Cargo.lock are fetched, each with its checksum."""
    packages = tomllib.loads((tree / "Cargo.lock").read_text())["package"]
    locked = {f"crate://crates.io/{p['name']}/{p['version']}": p["checksum"] for p in packages if "source" in p}
    assert len(locked) > 100
    assert set(sources(recipe)) == set(locked), "the crates are not those of Cargo.lock"
    for crate, checksum in locked.items():
        name, version = crate.split("/")[-2:]
        assert recipe.getVarFlag("SRC_URI", f"{name}-{version}.sha256sum") == checksum, crate


def check_versions(recipes: dict, tree: Path) -> None:
    crate = tomllib.loads((tree / "Cargo.toml").read_text())["package"]["version"]
    model = tomllib.loads((tree / "models/liver-tumour/bundle.toml").read_text())["version"]
    assert recipes["hepar"].getVar("PV") == crate, f"the crate is {crate}"
    assert recipes["distro"].getVar("DISTRO_VERSION") == crate, f"the crate is {crate}"
    assert recipes["hepar-model-liver-tumour"].getVar("PV") == model, f"the model is {model}"


def check_images(recipes: dict) -> None:
    for name in ("hepar-image", "hepar-image-jetson"):
        image = recipes[name]
        features = set(image.getVar("IMAGE_FEATURES").split())
        assert "read-only-rootfs" in features and not features & FORBIDDEN_FEATURES, f"{name}: {features}"
        installed = set(image.getVar("IMAGE_INSTALL").split())
        assert {"hepar", "hepar-firewall"} <= installed, f"{name}: {installed}"
    jetson = set(recipes["hepar-image-jetson"].getVar("IMAGE_INSTALL").split())
    assert {"tensorrt-core", "onnxruntime", "tegra-nvpmodel", "tegra-redundant-boot-base", "hepar-update"} <= jetson
    assert "tegra-redundant-boot" not in jetson, "its verifier would vouch for every system that starts"
    left_out = (recipes["hepar-image-jetson"].getVar("BAD_RECOMMENDATIONS") or "").split()
    assert "rauc-mark-good" in left_out, "rauc recommends rauc-mark-good, which would vouch for every system that starts"


def check_slots(recipes: dict, layer: Path, tree: Path) -> None:
    """Whatever RAUC is told about the box is what the bundle and the image say."""
    text = (layer / "dynamic-layers/rauc/recipes-core/rauc/files/system.conf").read_text()
    for placeholder, value in re.findall(r"s\|(@\w+@)\|([^|]*)\|", recipes["rauc-conf"].getVar("do_install")):
        assert placeholder in text, f"system.conf has no {placeholder}"
        text = text.replace(placeholder, value)
    system = settings(text)
    installed = recipes["hepar-update"].getVar("do_install")
    backend = system["handlers"]["bootloader-custom-backend"]
    assert f"{recipes['hepar-update'].getVar('nonarch_libdir')}/hepar" in installed and backend.endswith("rauc-backend")
    assert [system[f"slot.rootfs.{number}"]["bootname"] for number in (0, 1)] == ["A", "B"]
    compatible = recipes["hepar-bundle"].getVar("RAUC_BUNDLE_COMPATIBLE")
    assert system["system"]["compatible"] == compatible, compatible
    keyring = recipes["rauc-conf"].getVar("RAUC_KEYRING_FILE")
    assert system["keyring"]["path"] == os.path.basename(keyring), f"RAUC looks for another certificate than {keyring}"
    assert "rauc-mark-good" not in installed, "rauc-mark-good.service is a file of RAUC's own package"
    assert recipes["hepar-bundle"].getVar("RAUC_BUNDLE_FORMAT") == "verity"
    restarted = re.search(r'"restart", "([\w.-]+)"', (tree / "src/commands/update.rs").read_text()).group(1)
    assert restarted in recipes["hepar"].getVar("do_install"), f"`hepar update confirm` starts {restarted}"


def check_data(recipes: dict, layer: Path, tree: Path) -> None:
    """State and journal lie on the data partition; a system that cannot mount it is not vouched for."""
    distro, files = recipes["distro"], layer / "recipes-hepar/hepar-config/files"
    data = distro.getVar("OVERLAYFS_ETC_MOUNT_POINT")
    service = settings((tree / "systemd/hepar.service").read_text())
    state = f"/var/lib/{service['Service']['StateDirectory']}"
    assert f'state-dir = "{state}"' in recipes["hepar-config"].getVar("do_install")
    mounts = {}
    for where in (state, "/var/log"):
        mount = settings((files / f"{where[1:].replace('/', '-')}.mount").read_text())
        assert mount["Mount"]["Where"] == where and mount["Mount"]["What"].startswith(f"{data}/"), where
        assert mount["Unit"]["AssertPathIsMountPoint"] == data, f"{where} could lie on the system's own partition"
        mounts[where] = mount
    order = mounts[state]["Unit"].get("After", "").split()
    assert "var-volatile-lib.service" in order, f"volatile-binds could lay memory over {state}"
    tables = distro.getVar("FILESYSTEM_PERMS_TABLES").split()
    assert tables == ["files/fs-perms.txt", "files/fs-perms-volatile-tmp.txt"], "/var/log is a link into memory"
    assert settings((files / "10-hepar.conf").read_text())["Journal"]["Storage"] == "persistent"
    update = layer / "dynamic-layers/rauc/recipes-hepar/hepar-update/files"
    confirm = settings((update / "hepar-update-confirm.service").read_text())
    assert confirm["Unit"].get("RequiresMountsFor") == state, f"a system without {state} would be vouched for"
    assert confirm["Service"]["Environment"] == f"STATE_DIRECTORY={state}"


def check_access(recipes: dict, builder, layer: Path, folder: Path) -> None:
    """Nobody logs in: the first start's password is seen on the console, the configuration comes with the build."""
    drop_in = settings((layer / "recipes-hepar/hepar-config/files/console.conf").read_text())
    assert drop_in["Service"]["StandardError"] == "journal+console", "nobody sees the one-time password"
    # The append that the README shows.
    own = folder / "files/hepar.toml"
    own.parent.mkdir(parents=True)
    own.write_text("# The builder's.\n")
    append = folder / "hepar-config_%.bbappend"
    append.write_text('FILESEXTRAPATHS:prepend := "${THISDIR}/files:"\n')
    appended = builder.parseRecipe(recipes["hepar-config"].getVar("FILE"), [str(append)], "hepar")
    assert local_path("file://hepar.toml", appended) == str(own), "an append does not replace hepar.toml"


def check_configuration(recipe, tree: Path) -> None:
    """The lines that the recipe rewrites are in the file that it rewrites."""
    text = (tree / "src/provision/hepar.toml").read_text()
    patterns = re.findall(r's\|(\^[^|]*)\|', recipe.getVar("do_install"))
    assert len(patterns) == 2
    for pattern in patterns:
        assert re.search(pattern, text, re.MULTILINE), f"hepar.toml has no line {pattern}"


def check_fragments(layer: Path) -> None:
    boards = sorted((layer / "conf/fragments/board").glob("*.conf"))
    assert len(boards) >= 3
    for file in boards:
        data = bb.data.init()
        data.setVar("BBPATH", str(layer))
        bb.parse.handle(str(file), data, True)
        for variable in ("BB_CONF_FRAGMENT_SUMMARY", "BB_CONF_FRAGMENT_DESCRIPTION", "NVPMODEL_CONFIG_DEFAULT"):
            assert data.getVar(variable), f"{file.name}: no {variable}"
        layouts = [data.getVar(f"PARTITION_LAYOUT_{storage}_REDUNDANT") for storage in ("EXTERNAL", "TEMPLATE")]
        assert any((layout or "").endswith("_rootfs_ab.xml") for layout in layouts), f"{file.name}: no layout with two systems"
        assert data.getVar("MACHINE") in MACHINES, f"{file.name}: {data.getVar('MACHINE')} is no machine of meta-tegra"


def mutant(layer: Path, name: str, folder: Path) -> Path:
    """A copy of the layer beside the same sources, with one thing wrong."""
    tree = layer.parent.parent
    for part in ("Cargo.toml", "LICENSE", "models", "src", "systemd"):
        (folder / part).symlink_to(tree / part)
    shutil.copy(tree / "Cargo.lock", folder / "Cargo.lock")
    copy = folder / "yocto/meta-hepar"
    shutil.copytree(layer, copy)
    if name == "file":
        (copy / "recipes-hepar/hepar-firewall/files/hepar.nft").unlink()
        return copy
    file, old, new = MUTANTS[name]
    text = (copy / file).read_text()
    assert old in text, f"{file} has no {old}"
    (copy / file).write_text(text.replace(old, new))
    return copy


def main() -> None:
    *options, layer = sys.argv[1:]
    layer = Path(layer).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if options:
            (folder / "mutant").mkdir()
            layer = mutant(layer, options[1], folder / "mutant")
        tree = layer.parent.parent
        signature = folder / "bundle.toml.minisig"
        signature.write_text("a signature\n")
        local_conf = f'HEPAR_MODEL_SIGNATURE = "{signature}"\nHEPAR_RAUC_KEYRING = "{folder}/builder.pem"\n'
        plain, _ = parse(layer, folder / "plain", [], local_conf)
        assert not [name for name in plain if "jetson" in name or "bundle" in name], "needs layers that are not there"
        recipes, builder = parse(layer, folder / "jetson", ["tegra", "rauc"], local_conf)
        for name, recipe in recipes.items():
            if name not in ("distro", "rauc-conf"):
                check_recipe(recipe, tree)
        check_crates(recipes["hepar"], tree)
        check_versions(recipes, tree)
        check_images(recipes)
        check_slots(recipes, layer, tree)
        check_data(recipes, layer, tree)
        check_access(recipes, builder, layer, folder / "builder")
        check_configuration(recipes["hepar-config"], tree)
        check_fragments(layer)
        print(f"{len(plain) - 1} recipes without a board's layers, {len(recipes) - 1} with them")


if __name__ == "__main__":
    main()
