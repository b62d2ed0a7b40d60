"""Measures another library's data path for SimCLR: decode a JPEG, make two views, collate 64 images into a batch of uint8.

    python loader.py {albumentations,torchvision-tensor,torchvision-pil,lightly} {imagenet-224,cifar10-32}
        [--cores 1] [--images 512] [--sheet PNG]

albumentations      cv2.imdecode, arrays
torchvision-tensor  torchvision.io.decode_jpeg, transforms.v2 on uint8 tensors
torchvision-pil     Pillow, transforms.v2 on its images
lightly             Pillow, lightly's SimCLRTransform without its last two steps, to float and normalisation

Settings are those of goclr's stages.SimCLR(224, 1) and stages.CIFAR(): bilinear crops, a blur of 23 taps; lightly's blur is Pillow's,
three box filters. Encoded images lie in memory before the start, and libraries start no threads of their own. On two cores two
processes make batches, each for itself: faster than DataLoader with two workers, which hands batches over. Whatever is applied is
counted, as what was realised. The result is one line in the format of Go's benchmarks; one operation is one image, that is two views.
"""

import argparse
import collections
import io
import multiprocessing
import os
import pathlib
import tarfile
import time

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import numpy as np
import torch

BATCH = 64
DATA = pathlib.Path(os.environ.get("GOCLR_DATA") or pathlib.Path(__file__).resolve().parents[3] / "shared" / "data")
SETS = {"imagenet-224": ("imagenet-sample.tar", 224, 1.0), "cifar10-32": ("cifar10-train.tar", 32, 0.5)}


class Realised(collections.Counter):
    """Counts what is applied to views, and adds up the parts of the images' areas that crops take."""

    def count(self, owner, method, what):
        """Counts the calls of a method, which is one that is called only when the transform is applied."""
        call = getattr(owner, method)

        def counted(*args, **kwargs):
            self[what] += 1
            return call(*args, **kwargs)

        setattr(owner, method, counted)

    def add_areas(self, crop, method, area):
        call = getattr(crop, method)

        def added(*args, **kwargs):
            self["views"] += 1
            self["area"] += area(*args, **kwargs)
            return call(*args, **kwargs)

        setattr(crop, method, added)

    def shares(self):
        return " ".join(f"{self[what] / self['views']:.4f} {what}" for what in ("flip", "jitter", "gray", "blur", "area"))


def albumentations(size, strength, realised):
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)
    cv2.ocl.setUseOpenCL(False)
    s, hue = 0.8 * strength, 0.2 * strength
    factors = (1 - s, 1 + s)
    crop = A.RandomResizedCrop((size, size), scale=(0.08, 1), ratio=(3 / 4, 4 / 3), interpolation=cv2.INTER_LINEAR, p=1)
    steps = {
        "flip": A.HorizontalFlip(p=0.5),
        "jitter": A.ColorJitter(factors, factors, factors, (-hue, hue), p=0.8),
        "gray": A.ToGray(p=0.2),
    }
    if size > 64:
        steps["blur"] = A.GaussianBlur(blur_limit=(23, 23), sigma_limit=(0.1, 2), p=0.5)

    def area(params, image):
        left, top, right, bottom = params["crop_coords"]
        return (right - left) * (bottom - top) / (image.shape[0] * image.shape[1])

    realised.add_areas(crop, "apply_with_params", area)
    for what, step in steps.items():
        realised.count(step, "apply_with_params", what)
    chain = A.Compose([crop, *steps.values()])

    def views(encoded):
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
        return chain(image=image)["image"], chain(image=image)["image"]

    return views


def torchvision_chain(size, strength):
    from torchvision.transforms import v2

    s = 0.8 * strength
    steps = [
        v2.RandomResizedCrop(size, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(s, s, s, 0.2 * strength)], p=0.8),
        v2.RandomGrayscale(p=0.2),
    ]
    if size > 64:
        steps.append(v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], p=0.5))
    return steps


def count_torchvision(steps, realised):
    """Counts in a chain of transforms.v2, lightly's too."""
    from torchvision.transforms import v2

    def area(image, params):
        height, width = v2.functional.get_size(image)
        return params["height"] * params["width"] / (height * width)

    for step in steps:
        if isinstance(step, v2.RandomApply):
            step = step.transforms[0]
        if isinstance(step, v2.RandomResizedCrop):
            realised.add_areas(step, "transform", area)
        kinds = {v2.RandomHorizontalFlip: "flip", v2.ColorJitter: "jitter", v2.RandomGrayscale: "gray", v2.GaussianBlur: "blur"}
        if type(step) in kinds:
            realised.count(step, "transform", kinds[type(step)])


def torchvision_tensor(size, strength, realised):
    import torchvision.io
    from torchvision.transforms import v2

    steps = torchvision_chain(size, strength)
    count_torchvision(steps, realised)
    chain = v2.Compose(steps)

    def views(encoded):
        image = torchvision.io.decode_jpeg(torch.from_numpy(encoded), torchvision.io.ImageReadMode.RGB)
        return chain(image), chain(image)

    return views


def torchvision_pil(size, strength, realised):
    from PIL import Image
    from torchvision.transforms import v2

    steps = torchvision_chain(size, strength)
    count_torchvision(steps, realised)
    chain = v2.Compose([*steps, v2.PILToTensor()])

    def views(encoded):
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
        return chain(image), chain(image)

    return views


def lightly(size, strength, realised):
    from lightly.transforms import SimCLRTransform
    from PIL import Image, ImageFilter
    from torchvision.transforms import v2

    blur = 0.5 if size > 64 else 0
    pair = SimCLRTransform(input_size=size, cj_strength=strength, gaussian_blur=blur, normalize=None)
    steps = pair.transforms[0].transform.transforms  # those of the other view too
    steps[-1] = v2.PILToTensor()
    count_torchvision(steps, realised)
    realised.count(ImageFilter, "GaussianBlur", "blur")
    return lambda encoded: tuple(pair(Image.open(io.BytesIO(encoded)).convert("RGB")))


LIBRARIES = {
    "albumentations": albumentations,
    "torchvision-tensor": torchvision_tensor,
    "torchvision-pil": torchvision_pil,
    "lightly": lightly,
}


class Pairs(torch.utils.data.Dataset):
    """Pairs of views of the images of a tar archive."""

    def __init__(self, path, views):
        with tarfile.open(path) as tar:
            self.encoded = [np.frombuffer(bytearray(tar.extractfile(m).read()), np.uint8) for m in tar if m.isfile()]
        self.views = views

    def __len__(self):
        return len(self.encoded)

    def __getitem__(self, i):
        return self.views(self.encoded[i])


def endless(loader):
    while True:
        yield from loader


def measure(pairs, size, images, seed, ready, sheet=None):
    """Makes batches, and returns how many images they held, when it began and ended, and the CPU time it took."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    batches = endless(torch.utils.data.DataLoader(pairs, batch_size=BATCH, shuffle=True, drop_last=True))
    first = next(batches)
    assert all(v.dtype == torch.uint8 and v.numel() == BATCH * size * size * 3 for v in first)
    if sheet:
        write_sheet(sheet, first)
    ready.wait()
    made = 0
    start, cpu_start = time.perf_counter(), time.process_time()
    while made < images:
        made += len(next(batches)[0])
    return made, start, time.perf_counter(), time.process_time() - cpu_start


def write_sheet(path, batch):
    """Writes the views of a batch as one picture, pairs side by side, eight pairs in a row."""
    from PIL import Image

    first, second = (v if v.shape[-1] == 3 else v.permute(0, 2, 3, 1) for v in batch)
    pairs = torch.cat([first, second], dim=2)
    rows = [torch.cat(list(pairs[i : i + 8]), dim=1) for i in range(0, len(pairs), 8)]
    Image.fromarray(torch.cat(rows).numpy()).save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--cores", type=int, default=1, help="processes; pin them to as many cores")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--sheet", metavar="PNG", help="write the first batch there, to look at")
    args = parser.parse_args()

    torch.set_num_threads(1)
    file, size, strength = SETS[args.set]
    realised = Realised()
    pairs = Pairs(DATA / file, LIBRARIES[args.library](size, strength, realised))
    results = multiprocessing.SimpleQueue()
    ready = multiprocessing.Barrier(args.cores, timeout=600)

    def work(seed, sheet):
        results.put((*measure(pairs, size, args.images // args.cores, seed, ready, sheet), realised))

    others = [multiprocessing.Process(target=work, args=(seed, None)) for seed in range(1, args.cores)]
    for other in others:
        other.start()
    work(0, args.sheet)
    made, starts, ends, cpu, counts = zip(*(results.get() for _ in range(args.cores)))
    for other in others:
        other.join()
    total = Realised()
    for count in counts:
        total.update(count)

    images, seconds = sum(made), max(ends) - min(starts)
    cores = f"-{args.cores}" if args.cores > 1 else ""
    print(f"BenchmarkDataPath/{args.set}/{args.library}{cores} {images} {1e9 * seconds / images:.0f} ns/op",
          f"{images / sum(cpu):.2f} images/cpu-s {images / seconds:.2f} images/s", total.shares())


if __name__ == "__main__":
    main()
