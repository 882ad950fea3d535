# The box's slots, and whose bundles it installs. The certificate is the builder's.
FILESEXTRAPATHS:prepend:hepar := "${THISDIR}/files:"

RAUC_KEYRING_FILE:hepar = "${HEPAR_RAUC_KEYRING}"

do_install:append:hepar() {
    sed -i "s|@COMPATIBLE@|hepar-${MACHINE}|" ${D}${sysconfdir}/rauc/system.conf
}
