"""Checks a model that evaluate export wrote and compares its features with those of evaluate embed.

    python onnx_features.py MODEL VIEWS FEATURES

VIEWS are the images as the encoder sees them, uint8 [N,H,W,3] without a header; FEATURES is what evaluate embed makes of the
same images in the same order. It prints the largest relative error of a vector, |theirs - ours| / |ours|, over all images
in one batch and the first one alone, and fails above 1e-5. TestExportedModelInPython writes the files.
"""

import sys

import numpy as np
import onnx
import onnxruntime
import pyarrow.ipc

LIMIT = 1e-5


def main(path, views, features):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (image,), (out,) = session.get_inputs(), session.get_outputs()
    if (image.name, image.type, out.name) != ("images", "tensor(uint8)", "features"):
        sys.exit(f"the model takes {image} and gives {out}")
    images = np.fromfile(views, np.uint8).reshape(-1, *image.shape[1:])
    with pyarrow.ipc.open_file(features) as file:
        column = file.read_all()["features"].combine_chunks()
    ours = column.flatten().to_numpy().reshape(len(images), out.shape[1]).astype(np.float64)
    worst = 0
    for rows in (slice(None), slice(0, 1)):
        (theirs,) = session.run(None, {"images": images[rows]})
        error = np.linalg.norm(theirs - ours[rows], axis=1) / np.linalg.norm(ours[rows], axis=1)
        worst = np.maximum(worst, error.max())  # NaN stays
    meta = session.get_modelmeta()
    print(f"{meta.custom_metadata_map['goclr.encoder']}, images {list(images.shape)}, {len(model.graph.initializer)} initializers, "
          f"{len(model.graph.node)} operators: largest relative error {worst:.2g} "
          f"(onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__})")
    if not worst <= LIMIT:
        sys.exit(f"above {LIMIT:g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
