SUMMARY = "Default configuration and data directories of the segmentation appliance"
DESCRIPTION = "What a box starts with before anybody configured it, and where its data lies."
SECTION = "medical"
CVE_PRODUCT = "hepar-config"

LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "file://hepar.toml;beginline=1;endline=2;md5=7fc27b15afdb6f0e5c85152e42f7346f"

inherit allarch systemd

SRC_URI = "\
    file://hepar.toml \
    file://var-lib-hepar.mount \
    file://10-hepar.conf \
"
S = "${UNPACKDIR}"

# Public keys (minisign) of the makers whose model bundles this box runs; none by default.
HEPAR_TRUSTED_KEYS ?= ""

SYSTEMD_SERVICE:${PN} = "var-lib-hepar.mount"

do_install() {
    install -d ${D}${sysconfdir}/hepar ${D}${systemd_system_unitdir}
    install -m 0644 ${S}/hepar.toml ${D}${sysconfdir}/hepar/hepar.toml
    install -m 0644 ${S}/var-lib-hepar.mount ${D}${systemd_system_unitdir}
    install -d ${D}${sysconfdir}/systemd/journald.conf.d
    install -m 0644 ${S}/10-hepar.conf ${D}${sysconfdir}/systemd/journald.conf.d
    keys=""
    for key in ${HEPAR_TRUSTED_KEYS}; do
        keys="$keys\"$key\", "
    done
    if [ -n "$keys" ]; then
        sed -i "s|^# trusted-keys = .*|trusted-keys = [$keys]|" ${D}${sysconfdir}/hepar/hepar.toml
    fi
}

CONFFILES:${PN} = "${sysconfdir}/hepar/hepar.toml"
FILES:${PN} += "${systemd_system_unitdir}"
