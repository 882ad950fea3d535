SUMMARY = "Default configuration and data directories of the segmentation appliance"
DESCRIPTION = "What a box starts with before anybody configured it, and where its data lies."
SECTION = "medical"
CVE_PRODUCT = "hepar-config"

LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=b84289a161e35516fcc9f9cb603b4515"

inherit allarch systemd

# The configuration is the one that the program itself writes at a first start.
FILESEXTRAPATHS:prepend := "${HEPAR_TREE}:${HEPAR_TREE}/src/provision:"
SRC_URI = "\
    file://LICENSE \
    file://hepar.toml \
    file://var-lib-hepar.mount \
    file://var-log.mount \
    file://10-hepar.conf \
    file://console.conf \
"
S = "${UNPACKDIR}"

# Public keys (minisign) of the makers whose model bundles this box runs; none by default.
HEPAR_TRUSTED_KEYS ?= ""

SYSTEMD_SERVICE:${PN} = "var-lib-hepar.mount var-log.mount"

do_install() {
    install -d ${D}${sysconfdir}/hepar ${D}${systemd_system_unitdir}
    install -m 0644 ${S}/hepar.toml ${D}${sysconfdir}/hepar/hepar.toml
    install -m 0644 ${S}/var-lib-hepar.mount ${D}${systemd_system_unitdir}
    install -m 0644 ${S}/var-log.mount ${D}${systemd_system_unitdir}
    install -d ${D}${systemd_system_unitdir}/hepar.service.d
    install -m 0644 ${S}/console.conf ${D}${systemd_system_unitdir}/hepar.service.d
    install -d ${D}${sysconfdir}/systemd/journald.conf.d
    install -m 0644 ${S}/10-hepar.conf ${D}${sysconfdir}/systemd/journald.conf.d
    keys=""
    for key in ${HEPAR_TRUSTED_KEYS}; do
        keys="$keys\"$key\", "
    done
    sed -i -e "s|^#state-dir = .*|state-dir = \"${localstatedir}/lib/hepar\"|" \
        -e "s|^#trusted-keys = .*|trusted-keys = [$keys]|" ${D}${sysconfdir}/hepar/hepar.toml
    # A builder's own file may have lost the line, and then the state would not be on the data partition.
    grep -qFx 'state-dir = "${localstatedir}/lib/hepar"' ${D}${sysconfdir}/hepar/hepar.toml || \
        bbfatal "hepar.toml does not say state-dir = \"${localstatedir}/lib/hepar\""
}

CONFFILES:${PN} = "${sysconfdir}/hepar/hepar.toml"
FILES:${PN} += "${systemd_system_unitdir}"
