SUMMARY = "Signed update bundle of the appliance's system"
DESCRIPTION = "What a hospital gets on a stick: the whole system, signed, with a hash tree over every \
               block."
SECTION = "medical"
CVE_PRODUCT = "hepar-bundle"

LICENSE = "Apache-2.0 | MIT"

inherit bundle

RAUC_BUNDLE_COMPATIBLE = "hepar-${MACHINE}"
RAUC_BUNDLE_VERSION = "${DISTRO_VERSION}"
RAUC_BUNDLE_FORMAT = "verity"
RAUC_BUNDLE_SLOTS = "rootfs"
RAUC_SLOT_rootfs = "${HEPAR_BUNDLE_IMAGE}"
RAUC_SLOT_rootfs[fstype] = "ext4"

HEPAR_BUNDLE_IMAGE ?= "hepar-image-jetson"

# The builder's signing key and certificate; never in a layer.
RAUC_KEY_FILE ?= ""
RAUC_CERT_FILE ?= ""
