SUMMARY = "Lets the segmentation service use the accelerator of a Jetson"
DESCRIPTION = "A drop-in that opens the accelerator's device nodes to the service and starts it after \
               the power mode is set."
SECTION = "medical"
CVE_PRODUCT = "hepar-accelerator"

LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=b84289a161e35516fcc9f9cb603b4515"

COMPATIBLE_MACHINE = "(tegra)"

FILESEXTRAPATHS:prepend := "${HEPAR_TREE}:${HEPAR_TREE}/systemd/examples:"
SRC_URI = "\
    file://LICENSE \
    file://accelerator.conf \
"
S = "${UNPACKDIR}"

do_install() {
    install -d ${D}${systemd_system_unitdir}/hepar.service.d
    install -m 0644 ${S}/accelerator.conf ${D}${systemd_system_unitdir}/hepar.service.d
    install -d ${D}${systemd_system_unitdir}/hepar-selftest.service.d
    install -m 0644 ${S}/accelerator.conf ${D}${systemd_system_unitdir}/hepar-selftest.service.d
}

FILES:${PN} += "${systemd_system_unitdir}"
RDEPENDS:${PN} = "hepar tegra-nvpmodel"
