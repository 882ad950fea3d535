SUMMARY = "The segmentation appliance for Jetson Orin"

require recipes-hepar/images/hepar-image.inc

REQUIRED_DISTRO_FEATURES = "opengl"
inherit features_check

COMPATIBLE_MACHINE = "(tegra)"

# tensorrt-core holds libnvinfer; onnxruntime, of meta-tegra-community, has its CUDA and TensorRT
# providers. tegra-redundant-boot-base holds nvbootctrl; not tegra-redundant-boot, whose
# nv_update_verifier would vouch for every system that starts.
IMAGE_INSTALL += "\
    hepar-accelerator \
    hepar-update \
    onnxruntime \
    rauc \
    tegra-nvfancontrol \
    tegra-nvpmodel \
    tegra-nvpower \
    tegra-redundant-boot-base \
    tensorrt-core \
    tensorrt-plugins-prebuilt \
"
# rauc recommends it, and it would vouch likewise.
BAD_RECOMMENDATIONS += "rauc-mark-good"
