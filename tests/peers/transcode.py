"""Writes a file in a transfer syntax that DCMTK's tools do not write: transcode.py SYNTAX IN OUT."""

import sys

from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, UID

# Known to pydicom by its number only.
ENCAPSULATED_UNCOMPRESSED = UID("1.2.840.10008.1.2.1.98")


def main(syntax, source, target):
    dataset = dcmread(source)
    if syntax == ENCAPSULATED_UNCOMPRESSED:
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
    elif syntax == JPEG2000:
        dataset.compress(syntax, j2k_cr=[8], generate_instance_uid=False)
    else:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(target, enforce_file_format=True)


main(UID(sys.argv[1]), sys.argv[2], sys.argv[3])
