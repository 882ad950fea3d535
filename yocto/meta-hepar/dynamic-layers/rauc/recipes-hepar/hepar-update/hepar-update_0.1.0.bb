SUMMARY = "Keeps a new system that proves itself, and goes back from one that does not"
DESCRIPTION = "RAUC's boot loader backend over the firmware's slots, and the unit that examines a new \
               system at its first start."
SECTION = "medical"
CVE_PRODUCT = "hepar-update"

LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "file://rauc-backend;beginline=2;endline=3;md5=6580dd39fbd76d876c3cbe6bb3772713"

inherit allarch systemd

SRC_URI = "\
    file://rauc-backend \
    file://hepar-update-confirm.service \
    file://hepar-stick@.service \
    file://90-hepar-stick.rules \
    file://stick \
"
S = "${UNPACKDIR}"

SYSTEMD_SERVICE:${PN} = "hepar-update-confirm.service"

do_install() {
    install -d ${D}${nonarch_libdir}/hepar ${D}${systemd_system_unitdir}
    install -m 0755 ${S}/rauc-backend ${D}${nonarch_libdir}/hepar
    install -m 0644 ${S}/hepar-update-confirm.service ${D}${systemd_system_unitdir}
    install -m 0755 ${S}/stick ${D}${nonarch_libdir}/hepar
    install -m 0644 ${S}/hepar-stick@.service ${D}${systemd_system_unitdir}
    install -d ${D}${nonarch_base_libdir}/udev/rules.d
    install -m 0644 ${S}/90-hepar-stick.rules ${D}${nonarch_base_libdir}/udev/rules.d
}

FILES:${PN} += "${nonarch_libdir}/hepar ${nonarch_base_libdir}/udev ${systemd_system_unitdir}"
RDEPENDS:${PN} = "hepar rauc"
# RAUC's own unit would vouch for a system before it was examined.
RCONFLICTS:${PN} = "rauc-mark-good"
