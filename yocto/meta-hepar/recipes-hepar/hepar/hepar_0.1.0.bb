SUMMARY = "Segments liver and liver tumours in CT series and returns DICOM SEG"
DESCRIPTION = "The appliance's one service: receives CT series by DICOM C-STORE, segments liver and \
               liver tumours, and returns DICOM SEG to a PACS. Not for diagnosis."
SECTION = "medical"
CVE_PRODUCT = "hepar"

LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=b84289a161e35516fcc9f9cb603b4515"

inherit cargo cargo_lock_crates externalsrc systemd useradd

# The checkout that this layer is part of.
EXTERNALSRC = "${HEPAR_TREE}"
EXTERNALSRC_BUILD = "${WORKDIR}/build"
CARGO_LOCK = "${EXTERNALSRC}/Cargo.lock"

SYSTEMD_SERVICE:${PN} = "hepar.service"

USERADD_PACKAGES = "${PN}"
USERADD_PARAM:${PN} = "--system --user-group --home-dir ${localstatedir}/lib/hepar --no-create-home --shell /sbin/nologin hepar"

do_install:append() {
    install -d ${D}${systemd_system_unitdir}
    install -m 0644 ${S}/systemd/hepar.service ${D}${systemd_system_unitdir}
    # Run by who examines an updated system.
    install -m 0644 ${S}/systemd/hepar-selftest.service ${D}${systemd_system_unitdir}
}

FILES:${PN} += "${systemd_system_unitdir}"
RDEPENDS:${PN} = "hepar-config"
RRECOMMENDS:${PN} = "tzdata-core"
