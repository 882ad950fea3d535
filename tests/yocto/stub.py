"""A core layer with nothing in it, so that BitBake's own parser can read ours without a checkout of any other layer."""

from pathlib import Path

# What ours inherits and requires from elsewhere. An empty class parses; its effects are not simulated.
CLASSES = [
    "allarch", "bundle", "cargo", "core-image", "externalsrc", "features_check", "systemd", "useradd",
]

BITBAKE_CONF = """
DISTRO ??= "hepar"
MACHINE ??= "qemuarm64"
B = "${S}"
BPN = "${PN}"
BP = "${BPN}-${PV}"
D = "${WORKDIR}/image"
FILE_DIRNAME = "${@os.path.dirname(d.getVar('FILE', False) or '')}"
FILESEXTRAPATHS ?= "__default:"
FILESPATH = "${@':'.join(p for p in (d.getVar('FILESEXTRAPATHS').replace('__default:', '') + ':' + ':'.join( \
    os.path.join(d.getVar('FILE_DIRNAME'), x) for x in [d.getVar('BP'), d.getVar('BPN'), 'files'])).split(':') if p)}"
OVERRIDES = "${DISTRO}:${MACHINE}:${PN}"
PN = "${@bb.parse.vars_from_file(d.getVar('FILE', False), d)[0] or 'none'}"
PV = "${@bb.parse.vars_from_file(d.getVar('FILE', False), d)[1] or '1.0'}"
S = "${UNPACKDIR}/${BP}"
T = "${WORKDIR}/temp"
THISDIR = "${@os.path.dirname(d.getVar('FILE', False) or '')}"
UNPACKDIR = "${WORKDIR}/sources"
WORKDIR = "${TOPDIR}/tmp/${PN}"
DL_DIR = "${TOPDIR}/downloads"
PERSISTENT_DIR = "${TOPDIR}/cache"
COMMON_LICENSE_DIR = "${TOPDIR}/licenses"
datadir = "/usr/share"
localstatedir = "/var"
nonarch_base_libdir = "/usr/lib"
nonarch_libdir = "/usr/lib"
sbindir = "/usr/sbin"
sysconfdir = "/etc"
systemd_system_unitdir = "/usr/lib/systemd/system"
FILES:${PN} = ""
FILESYSTEM_PERMS_TABLES = "files/fs-perms.txt files/fs-perms-volatile-log.txt files/fs-perms-volatile-tmp.txt"
include conf/local.conf
require conf/distro/${DISTRO}.conf
"""

LAYER_CONF = """
BBPATH .= ":${LAYERDIR}"
BBFILE_COLLECTIONS += "%(name)s"
BBFILE_PATTERN_%(name)s = "^${LAYERDIR}/"
BBFILE_PRIORITY_%(name)s = "5"
LAYERVERSION_%(name)s = "1"
LAYERSERIES_COMPAT_%(name)s = "wrynose"
"""


def build_folder(folder: Path, layer: Path, beside: list[str], local_conf: str) -> Path:
    """A build folder whose layers are the empty core, empty ones called `beside`, and `layer`."""
    core = folder / "core"
    _write(core / "conf/layer.conf", LAYER_CONF % {"name": "core"} + 'LAYERSERIES_CORENAMES = "wrynose"\n')
    _write(core / "conf/bitbake.conf", BITBAKE_CONF)
    _write(core / "conf/distro/defaultsetup.conf", "")
    _write(core / "classes-global/base.bbclass", "addtask build\ndo_build() {\n    :\n}\n")
    for name in CLASSES:
        _write(core / f"classes-recipe/{name}.bbclass", "")
    _write(core / "recipes-core/rauc/rauc-conf.bb", "do_install() {\n    :\n}\n")
    others = []
    for name in beside:
        _write(folder / name / "conf/layer.conf", LAYER_CONF % {"name": name})
        others.append(folder / name)
    build = folder / "build"
    layers = " ".join(str(path) for path in [core, *others, layer])
    _write(build / "conf/bblayers.conf", f'BBPATH = "${{TOPDIR}}"\nBBFILES ?= ""\nBBLAYERS = "{layers}"\n')
    _write(build / "conf/local.conf", local_conf)
    return build


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
