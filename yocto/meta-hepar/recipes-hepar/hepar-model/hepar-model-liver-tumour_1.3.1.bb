SUMMARY = "Signed model bundle for liver and liver tumours"
DESCRIPTION = "The same network as the one inside the program, as files, so that it can be replaced \
               without the program. Needs its maker's signature, which is not part of the source."
SECTION = "medical"
CVE_PRODUCT = "hepar-model-liver-tumour"

LICENSE = "CC-BY-SA-4.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/CC-BY-SA-4.0;md5=4084714af41157e38872e798eb3fe1b1"

inherit allarch

# A file:// path of the builder's: minisign's signature of models/liver-tumour/bundle.toml.
HEPAR_MODEL_SIGNATURE ?= ""

FILESEXTRAPATHS:prepend := "${HEPAR_TREE}/models/liver-tumour:"
SRC_URI = "\
    file://bundle.toml \
    file://encoder.onnx \
    file://golden.npz \
    file://head.onnx \
    ${@'file://${HEPAR_MODEL_SIGNATURE}' if d.getVar('HEPAR_MODEL_SIGNATURE') else ''} \
"
S = "${UNPACKDIR}"

python () {
    if not d.getVar("HEPAR_MODEL_SIGNATURE"):
        raise bb.parse.SkipRecipe("HEPAR_MODEL_SIGNATURE names no signature; the program's own model needs none")
}

HEPAR_MODEL_DIR = "${datadir}/hepar/models/liver-tumour"

do_install() {
    install -d ${D}${HEPAR_MODEL_DIR}
    for file in bundle.toml encoder.onnx golden.npz head.onnx; do
        install -m 0644 ${S}/$file ${D}${HEPAR_MODEL_DIR}
    done
    install -m 0644 ${S}/${HEPAR_MODEL_SIGNATURE} ${D}${HEPAR_MODEL_DIR}/bundle.toml.minisig
}

FILES:${PN} += "${HEPAR_MODEL_DIR}"
