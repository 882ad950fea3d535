SUMMARY = "Firewall of the segmentation appliance"
DESCRIPTION = "nftables rules that leave DICOM, DICOM TLS and the page open, and a unit that loads them \
               before the network comes up."
SECTION = "medical"
CVE_PRODUCT = "hepar-firewall"

LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "file://hepar.nft;beginline=2;endline=3;md5=45db1d50a767f9a91129d736bf012424"

inherit allarch systemd

SRC_URI = "\
    file://hepar.nft \
    file://hepar-firewall.service \
"
S = "${UNPACKDIR}"

SYSTEMD_SERVICE:${PN} = "hepar-firewall.service"

do_install() {
    install -d ${D}${sysconfdir}/nftables ${D}${systemd_system_unitdir}
    install -m 0644 ${S}/hepar.nft ${D}${sysconfdir}/nftables
    install -m 0644 ${S}/hepar-firewall.service ${D}${systemd_system_unitdir}
}

FILES:${PN} += "${systemd_system_unitdir}"
RDEPENDS:${PN} = "nftables"
