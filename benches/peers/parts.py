"""What others take for parts of the work, on one core: parts.py BUNDLE SERIES OUT.json [RTEN_PEER].

SERIES is a folder made by benches/compare: series/ with the slices and labels.npy, and one folder a
transfer syntax with some of the slices. RTEN_PEER is the program that the folder rten here builds. Writes
{name: seconds}.
"""

import json
import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read once, when numpy is loaded

import highdicom as hd
import numpy as np
import onnxruntime
from pydicom import dcmread
from pydicom.pixels import apply_rescale
from pydicom.sr.codedict import codes

SYNTAXES = ["uncompressed", "jpeg-lossless", "jpeg-ls", "jpeg-2000"]


def fastest(times, work):
    """Seconds: what the work costs when nothing else runs."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def engine(bundle):
    """ONNX Runtime called directly on the graphs as they are shipped, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    encoder, head = (
        onnxruntime.InferenceSession(bundle / name, options, providers=["CPUExecutionProvider"])
        for name in ("encoder.onnx", "head.onnx")
    )
    port = encoder.get_inputs()[0]
    image = np.load(bundle / "golden.npz")
    image = next(image[key] for key in image.files if image[key].size == np.prod(port.shape))
    fed = {port.name: image.reshape(port.shape).astype(np.float32)}
    names = [output.name for output in encoder.get_outputs()]
    wanted = [taken.name for taken in head.get_inputs()]

    def both():
        encoded = dict(zip(names, encoder.run(names, fed)))
        head.run(None, {name: encoded[name] for name in wanted})

    both()
    return {"engine/onnxruntime": fastest(40, both)}


def peak():
    """Floating-point operations a second of a large matrix product in f32 (OpenBLAS), one thread."""
    side = 1024
    a = np.random.default_rng(1).standard_normal((side, side), dtype=np.float32)
    return 2 * side**3 / fastest(20, lambda: a @ a)


def decode(folder):
    """pydicom with pylibjpeg: file to Hounsfield units, a slice."""
    files = sorted(folder.glob("*.dcm"))

    def all_slices():
        for file in files:
            dataset = dcmread(file)
            apply_rescale(dataset.pixel_array, dataset)

    all_slices()
    return fastest(3, all_slices) / len(files)


def segmentation(folder):
    """highdicom: the labels of a series as a DICOM SEG of two segments."""
    sources = [dcmread(file) for file in folder.glob("*.dcm")]
    sources.sort(key=lambda source: float(source.ImagePositionPatient[2]))
    labels = np.load(folder / "labels.npy")
    algorithm = hd.AlgorithmIdentificationSequence(
        name="bench", version="1", family=codes.cid7162.ArtificialIntelligence
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, label in ((1, "Liver"), (2, "Tumour"))
    ]

    def make():
        return hd.seg.Segmentation(
            source_images=sources,
            pixel_array=labels,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            series_instance_uid=hd.UID(),
            series_number=1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="bench",
            manufacturer_model_name="bench",
            software_versions="1",
            device_serial_number="1",
        )

    made = make()
    return {
        "seg/highdicom/make": fastest(3, make),
        "seg/highdicom/save": fastest(3, lambda: made.save_as(BytesIO())),
    }


def rten(program, bundle):
    """The program in the folder rten beside this file, one thread."""
    environment = os.environ | {"RTEN_NUM_THREADS": "1"}
    done = subprocess.run([program, bundle], env=environment, check=True, capture_output=True)
    return json.loads(done.stdout)


def main(bundle, inputs, out, *others):
    figures = engine(bundle) | segmentation(inputs / "series")
    for program in others:
        figures |= rten(program, bundle)
    for syntax in SYNTAXES:
        figures[f"decode/pydicom/{syntax}"] = decode(inputs / syntax)
    figures["flops"] = peak()
    figures["versions"] = {
        "onnxruntime": onnxruntime.__version__,
        "highdicom": hd.__version__,
    }
    out.write_text(json.dumps(figures, indent=1))


main(*map(Path, sys.argv[1:]))
