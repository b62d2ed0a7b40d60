"""Measures torchvision's data path for SimCLR on one core: read, decode, two views, collate.

    python torchvision_loader.py {pil,pil-filter,tensor} {imagenet-224,cifar10-32} [--images 500]

pil         transforms on Pillow images, blur by torchvision (a 2-d convolution)
pil-filter  the same with Pillow's blur, an approximation by three box filters, as MoCo's and Lightly's loaders have it
tensor      transforms.v2 on uint8 tensors

The transforms are those of goclr's stages.SimCLR(224, 1) and stages.CIFAR(). The result is one line in the format of Go's
benchmarks; one operation is one image, that is two views.
"""

import argparse
import io
import os
import pathlib
import random
import tarfile
import time

import torch
import torchvision
from PIL import Image, ImageFilter
from torchvision import transforms as v1
from torchvision.transforms import v2

BATCH = 50
HERE = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path(os.environ.get("GOCLR_DATA") or HERE.parents[2] / "shared" / "data")
SETS = {"imagenet-224": ("imagenet-sample.tar", 224, 1.0), "cifar10-32": ("cifar10-train.tar", 32, 0.5)}


class PillowBlur:
    def __call__(self, image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2)))


def chain(kind, size, strength):
    t = v2 if kind == "tensor" else v1
    s = 0.8 * strength
    steps = [
        t.RandomResizedCrop(size, antialias=True),
        t.RandomHorizontalFlip(),
        t.RandomApply([t.ColorJitter(s, s, s, 0.2 * strength)], p=0.8),
        t.RandomGrayscale(p=0.2),
    ]
    if size > 64:
        blur = PillowBlur() if kind == "pil-filter" else t.GaussianBlur(size // 10 // 2 * 2 + 1, (0.1, 2.0))
        steps.append(t.RandomApply([blur], p=0.5))
    if kind != "tensor":
        steps.append(t.PILToTensor())
    return t.Compose(steps)


class Views(torch.utils.data.Dataset):
    """Pairs of views of the images of a tar archive, which is read as goclr does it: one read at an offset for each image."""

    def __init__(self, path, kind, size, strength):
        with tarfile.open(path) as tar:
            self.places = [(m.offset_data, m.size) for m in tar if m.isfile()]
        self.file = os.open(path, os.O_RDONLY)
        self.tensor = kind == "tensor"
        self.chain = chain(kind, size, strength)

    def __len__(self):
        return len(self.places)

    def __getitem__(self, i):
        offset, size = self.places[i]
        data = os.pread(self.file, size, offset)
        if self.tensor:
            encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            image = torchvision.io.decode_image(encoded, torchvision.io.ImageReadMode.RGB)
        else:
            image = Image.open(io.BytesIO(data)).convert("RGB")
        return self.chain(image), self.chain(image)


def endless(views):
    while True:
        yield from torch.utils.data.DataLoader(views, batch_size=BATCH, shuffle=True, drop_last=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["pil", "pil-filter", "tensor"])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--images", type=int, default=500)
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(1)
    random.seed(1)
    file, size, strength = SETS[args.set]
    views = Views(DATA / file, args.kind, size, strength)
    batches = endless(views)
    next(batches)
    images = 0
    start, cpu_start = time.perf_counter(), time.process_time()
    while images < args.images:
        images += len(next(batches)[0])
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    name = f"BenchmarkDataPath/{args.set}/torchvision-{args.kind}"
    print(f"{name} {images} {1e9 * seconds / images:.0f} ns/op {images / cpu_seconds:.2f} images/cpu-s {images / seconds:.2f} images/s")


if __name__ == "__main__":
    main()
