"""Makes weights of torchvision's ResNets, and compares torchvision's features with goclr's after it has begun with them.

    python torchvision_weights.py make ENCODER WEIGHTS
    python torchvision_weights.py compare ENCODER WEIGHTS VIEWS FEATURES

WEIGHTS is a safetensors file of the whole state dict, fc and counters included, of a network with random weights, gammas, betas
and running statistics. VIEWS and FEATURES are as for torch_features.py, of goclr's encoder with these weights before the
first step; views are normalised as torchvision does. It prints the largest relative error of a vector and fails above 1e-4.
TestTorchvisionWeights calls it.
"""

import sys

import numpy as np
import pyarrow.ipc
import safetensors.torch
import torch
import torchvision

LIMIT = 1e-4
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make(encoder, weights):
    torch.manual_seed(5)
    model = torchvision.models.get_model(encoder, weights=None)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in ((module.weight, 0.5, 1), (module.bias, -0.2, 0.2), (module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 2)):
                torch.nn.init.uniform_(tensor, low, high)
    safetensors.torch.save_file(model.state_dict(), weights)


def read(path, column):
    with pyarrow.ipc.open_file(path) as file:
        return file.read_all()[column].combine_chunks()


def compare(encoder, weights, views, features):
    model = torchvision.models.get_model(encoder, weights=None)
    model.load_state_dict(safetensors.torch.load_file(weights))
    model.fc = torch.nn.Identity()
    images = torch.from_numpy(read(views, "views").to_numpy_ndarray()[:, 0].copy()).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    with torch.inference_mode():
        theirs = model.eval()((images / 255 - mean) / std).double().numpy()
    ours = read(features, "features").flatten().to_numpy().reshape(theirs.shape).astype(np.float64)
    errors = np.linalg.norm(theirs - ours, axis=1) / np.linalg.norm(theirs, axis=1)
    print(f"{encoder} of torchvision {torchvision.__version__}, {len(theirs)} images of {images.shape[2]} px, {theirs.shape[1]} features: "
          f"largest relative error {errors.max():.2g}")
    if not errors.max() <= LIMIT:  # NaN fails too
        sys.exit(f"above {LIMIT:g}")


if __name__ == "__main__":
    {"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])
