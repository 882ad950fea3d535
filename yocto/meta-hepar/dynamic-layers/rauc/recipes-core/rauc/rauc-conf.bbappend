# The box's slots, and whose bundles it installs. The certificate is the builder's.
FILESEXTRAPATHS:prepend:hepar := "${THISDIR}/files:"

RAUC_KEYRING_FILE:hepar = "${HEPAR_RAUC_KEYRING}"

do_install:append:hepar() {
    # The certificate is installed under the name of its file.
    sed -i -e "s|@COMPATIBLE@|hepar-${MACHINE}|" \
        -e "s|@KEYRING@|${@os.path.basename(d.getVar('RAUC_KEYRING_FILE'))}|" ${D}${sysconfdir}/rauc/system.conf
}
