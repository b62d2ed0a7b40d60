"""Loads the weights of a run into torchvision's ResNet and compares its features with goclr's.

    python torch_features.py RUN VIEWS FEATURES

RUN is the directory that pretrain wrote. VIEWS is an Arrow IPC file of the images as the encoder sees them, column views of
uint8 [1,H,W,3]; FEATURES is what evaluate embed makes of the same images in the same order. It prints the largest
relative error of a vector, |theirs - ours| / |theirs|, and fails above 1e-4. TestTorchHasTheSameFeatures writes the files.
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow.ipc
import safetensors.torch
import torch
import torchvision

LIMIT = 1e-4
SMALL_STEM = 64  # largest image with a stem that torchvision's model lacks


def load(run):
    """Returns torchvision's model with the weights of a run, without its last layer, and the run's description of it."""
    info = json.loads((run / "latest" / "run.json").read_text())["config"]["model"]
    model = torchvision.models.get_model(info["encoder"], weights=None)
    model.fc = torch.nn.Identity()
    if info["image_size"] <= SMALL_STEM:
        model.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        model.maxpool = torch.nn.Identity()
    weights = safetensors.torch.load_file(run / "weights.safetensors")
    encoder = {name: w for name, w in weights.items() if not name.startswith("projection.")}
    model.load_state_dict(encoder, strict=True)
    return model.eval(), info


def read(path, column):
    with pyarrow.ipc.open_file(path) as file:
        return file.read_all()[column].combine_chunks()


def main(run, views, features):
    model, info = load(pathlib.Path(run))
    images = torch.from_numpy(read(views, "views").to_numpy_ndarray()[:, 0].copy()).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(info[k]).view(3, 1, 1) for k in ("mean", "std"))
    with torch.inference_mode():
        theirs = model((images / 255 - mean) / std).double().numpy()
    ours = read(features, "features").flatten().to_numpy().reshape(len(theirs), -1).astype(np.float64)
    if ours.shape != theirs.shape:
        sys.exit(f"goclr has features {ours.shape}, torchvision {theirs.shape}")
    errors = np.linalg.norm(theirs - ours, axis=1) / np.linalg.norm(theirs, axis=1)
    print(f"{info['encoder']} at {info['image_size']} px, {len(theirs)} images, {theirs.shape[1]} features: "
          f"largest relative error {errors.max():.2g} (torchvision {torchvision.__version__})")
    if not errors.max() <= LIMIT:  # NaN fails too
        sys.exit(f"above {LIMIT:g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
