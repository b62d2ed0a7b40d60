"""Makes the files of this folder: small procedural images, and what torchvision and Pillow make of them.

The Go tests read the files; nobody needs this script to build, run or test goclr. It needs torch, torchvision, numpy and
Pillow, and was last run with the versions that golden.json names:

    python stages/testdata/golden.py
"""

import io
import json
import pathlib

import numpy as np
import PIL
import torch
import torchvision
import torchvision.transforms.v2.functional as F
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, RandomResizedCrop

from shares import shares

HERE = pathlib.Path(__file__).parent


def scene(w, h, seed):
    """Gradients, hard edges, a disc, a stripe pattern finer than a pixel pair, and noise; all hues and both ends of the range."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    r = 255 * x / (w - 1)
    g = 255 * y / (h - 1)
    b = 127 + 127 * np.sin(x * y / 40)
    img = np.stack([r, g, b], -1)
    img[(x - w / 3) ** 2 + (y - h / 2) ** 2 < (h / 5) ** 2] = (250, 20, 30)
    img[:, 2 * w // 3 : 2 * w // 3 + 8][:, ::2] = (255, 255, 255)
    img[:, 2 * w // 3 : 2 * w // 3 + 8][:, 1::2] = (0, 0, 0)
    img[h // 8 : h // 4, w // 8 : w // 2] = (128, 128, 128)
    noise = rng.normal(0, 25, img.shape) * (x > w / 2)[..., None]
    return np.clip(np.rint(img + noise), 0, 255).astype(np.uint8)


def tensor(a):
    return torch.from_numpy(a).permute(2, 0, 1).contiguous()


def array(t):
    return t.permute(1, 2, 0).contiguous().numpy()


def save_png(a, name):
    Image.fromarray(a).save(HERE / name, optimize=True)


cases = []


def case(kind, image, result, **params):
    want = f"golden/{len(cases):02d}-{kind}.png"
    save_png(array(result), want)
    cases.append({"kind": kind, "image": image, "want": want, **params})


def stages():
    small, large = scene(48, 40, 1), scene(97, 61, 2)
    images = {"48x40.png": tensor(small), "97x61.png": tensor(large)}
    save_png(small, "48x40.png")
    save_png(large, "97x61.png")

    modes = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
    for image, x, y, w, h, size in [
        ("97x61.png", 0, 0, 97, 61, 32),  # both directions shrink, unequally
        ("97x61.png", 11, 7, 70, 50, 48),  # by less than two
        ("48x40.png", 5, 3, 17, 13, 56),  # both directions grow
        ("97x61.png", 3, 20, 90, 21, 40),  # one grows, one shrinks
        ("97x61.png", 0, 0, 97, 61, 5),  # many taps
        ("48x40.png", 47, 39, 1, 1, 4),  # a single pixel
    ]:
        for name, mode in modes.items():
            out = F.resized_crop(images[image], y, x, h, w, [size, size], mode, antialias=True)
            case("resize", image, out, box=[x, y, w, h], size=size, filter=name)

    img = images["48x40.png"]
    case("flip", "48x40.png", F.hflip(img))
    case("grayscale", "48x40.png", F.rgb_to_grayscale(img, 3))
    for f in (0, 0.2, 0.7, 1.2, 1.8):
        case("brightness", "48x40.png", F.adjust_brightness(img, f), factor=f)
        case("contrast", "48x40.png", F.adjust_contrast(img, f), factor=f)
        case("saturation", "48x40.png", F.adjust_saturation(img, f), factor=f)
    for f in (-0.5, -0.2, -0.03, 0.1, 0.2, 0.37):
        case("hue", "48x40.png", F.adjust_hue(img, f), factor=f)

    # Factors as they are drawn, not round: 1.6 times a level is often a whole number, which float32 may miss from below. So it
    # does, whatever the factor, where a channel is at its grey level and should stay; a chain that then brightens such a pixel
    # by 1.5 and by 1.7 is 4 levels off, which is why none of these does.
    ops = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
    for order, factors in [
        ([0, 1, 2, 3], [0.8017, 1.2053, 0.7129, 0.0511]),
        ([3, 2, 1, 0], [1.3111, 0.8059, 1.3127, -0.0973]),
        ([2, 0, 3, 1], [1.1071, 0.6131, 0.5087, 0.0979]),
        ([1, 3, 0, 2], [0.7043, 1.3987, 1.2049, -0.0811]),
        ([0, 3, 1, 2], [1.5931, 1.7219, 1.7987, 0.2]),
        ([2, 3, 1, 0], [1.2573, 1.1057, 1.7611, -0.1913]),
        ([1, 2, 3, 0], [0.3019, 1.7897, 1.7129, 0.1511]),
    ]:
        out = img
        for i in order:
            out = ops[i](out, factors[i])
        case("jitter", "48x40.png", out, order=order, factors=factors)

    for image, kernel, sigma in [
        ("48x40.png", 3, 0.1),
        ("48x40.png", 5, 0.6),
        ("48x40.png", 9, 1.3),
        ("97x61.png", 23, 0.9),
        ("97x61.png", 23, 2.0),
        ("97x61.png", 23, 6.0),
    ]:
        case("blur", image, F.gaussian_blur(images[image], [kernel, kernel], [sigma, sigma]), kernel=kernel, sigma=sigma)

    for threshold in (1, 128, 201):
        case("solarize", "48x40.png", F.solarize(img, threshold), factor=threshold)
    for degrees in (90, 180, 270):
        case("rotate", "48x40.png", torch.rot90(img, degrees // 90, [1, 2]), factor=degrees)
    case("cutout", "48x40.png", F.erase(img, 7, 21, 20, 13, torch.tensor([10, 200, 30], dtype=torch.uint8)[:, None, None]), box=[21, 7, 13, 20])
    case("sobel", "48x40.png", sobel(img))


def sobel(img):
    """The length of the gradient of the rounded grey levels, at most 255; a step from black to white has 255."""
    grey = torch.round((img * torch.tensor([0.2989, 0.5870, 0.1140], dtype=torch.float64)[:, None, None]).sum(0))
    x = torch.tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float64)
    padded = torch.nn.functional.pad(grey[None, None], (1, 1, 1, 1), mode="replicate")
    gx, gy = torch.nn.functional.conv2d(padded, torch.stack([x, x.T])[:, None])[0]
    return torch.clamp(torch.round(torch.hypot(gx, gy) / 4), 0, 255).to(torch.uint8).expand(3, -1, -1)


def samples():
    """How the parts that RandomResizedCrop draws are distributed. The last row has bounds of its own."""
    torch.manual_seed(1)
    draws = 100_000
    rows = []
    usual = ([0.08, 1.0], [3 / 4, 4 / 3])
    sizes = [(500, 375), (32, 32), (300, 40), (7, 11)]
    for w, h, scale, ratio in [(w, h, *usual) for w, h in sizes] + [(19, 23, [0.2, 0.35], [0.5, 2.0])]:
        image = torch.empty(3, h, w)
        boxes = np.array([RandomResizedCrop.get_params(image, scale, ratio) for _ in range(draws)])
        row = {"w": w, "h": h, "scale": scale, "ratio": ratio, "draws": draws}
        rows.append(row | {"shares": shares(boxes[:, [1, 0, 3, 2]])})  # y, x, h, w
    return rows


decodes = []


def encoded(name, data, want, most=0, mean=0.0):
    """A file to decode, the picture it must give, and how far a pixel and the mean may be off (0: a lossless format)."""
    (HERE / "decode" / name).write_bytes(data)
    (HERE / "decode" / "want").mkdir(exist_ok=True)
    save = pathlib.Path(name).name + ".png"
    Image.fromarray(want).convert("RGB").save(HERE / "decode/want" / save, optimize=True)
    decodes.append({"file": f"decode/{name}", "want": f"decode/want/{save}", "most": most, "mean": mean})


def encode(im, fmt, **kw):
    out = io.BytesIO()
    im.save(out, fmt, **kw)
    return out.getvalue()


def orientation(o):
    exif = Image.Exif()
    exif[0x0112] = o
    return exif.tobytes()


def with_orientation(name, im, fmt, o, **kw):
    data = encode(im, fmt, exif=orientation(o), **kw)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    lossy = {"most": 4, "mean": 0.5} if fmt == "JPEG" else {}
    encoded(name, data, np.asarray(upright), **lossy)


def formats():
    a = scene(26, 18, 3)
    im = Image.fromarray(a)
    grey = im.convert("L")
    ramp = np.tile(np.linspace(0, 255, 26).astype(np.uint8), (18, 1))
    rgba = np.dstack([a, ramp])
    on_white = np.rint((rgba[..., :3] * (ramp / 255.0)[..., None]) + 255 * (1 - ramp / 255.0)[..., None]).astype(np.uint8)
    palette = im.quantize(16)

    def jpeg(name, image, **kw):
        data = encode(image, "JPEG", quality=90, **kw)
        encoded(name, data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), most=4, mean=0.5)

    jpeg("444.jpg", im, subsampling=0)
    jpeg("422.jpg", im, subsampling=1)
    jpeg("420.jpg", im, subsampling=2)
    jpeg("progressive.jpg", im, progressive=True)
    jpeg("grey.jpg", grey)
    large = Image.fromarray(scene(200, 150, 4)).resize((200, 150)).convert("RGB")
    jpeg("large.jpg", large)
    # White, black, cyan and a mid grey, in quarters: what a profile makes of them is up to libvips, so the test is a wide one.
    cmyk = np.zeros((16, 32, 4), np.uint8)
    cmyk[:, 8:16, 3] = 255
    cmyk[:, 16:24, 0] = 255
    cmyk[:, 24:, 3] = 128
    want = np.zeros((16, 32, 3), np.uint8)
    want[:, :8], want[:, 8:16], want[:, 16:24], want[:, 24:] = 255, 30, (20, 165, 225), 145
    encoded("cmyk.jpg", encode(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=95), want, most=60, mean=20)
    encoded("cmyk.tiff", encode(Image.fromarray(cmyk, "CMYK"), "TIFF"), want, most=60, mean=20)

    encoded("rgb.png", encode(im, "PNG"), a)
    encoded("grey.png", encode(grey, "PNG"), np.asarray(grey))
    encoded("bilevel.png", encode(im.convert("1"), "PNG"), np.asarray(im.convert("1").convert("L")))
    encoded("palette.png", encode(palette, "PNG"), np.asarray(palette.convert("RGB")))
    encoded("alpha.png", encode(Image.fromarray(rgba), "PNG"), on_white, most=1)
    la = Image.merge("LA", (grey, Image.fromarray(ramp)))
    la_white = np.rint(np.asarray(grey) * (ramp / 255.0) + 255 * (1 - ramp / 255.0)).astype(np.uint8)
    encoded("grey-alpha.png", encode(la, "PNG"), la_white, most=1)
    deep = Image.fromarray(a[..., 0].astype(np.uint16) * 257)
    encoded("grey16.png", encode(deep, "PNG"), a[..., 0], most=1)
    encoded("grey16.tiff", encode(deep, "TIFF"), a[..., 0], most=1)

    encoded("still.gif", encode(palette, "GIF"), np.asarray(palette.convert("RGB")))
    second = palette.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    encoded("animated.gif", encode(palette, "GIF", save_all=True, append_images=[second]), np.asarray(palette.convert("RGB")))
    encoded("lossless.webp", encode(im, "WEBP", lossless=True), a)
    data = encode(im, "WEBP", quality=90)
    encoded("lossy.webp", data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), most=4, mean=0.5)
    encoded("alpha.webp", encode(Image.fromarray(rgba), "WEBP", lossless=True, exact=True), on_white, most=1)
    flipped = im.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    encoded("animated.webp", encode(im, "WEBP", save_all=True, append_images=[flipped], lossless=True), a)
    encoded("raw.tiff", encode(im, "TIFF"), a)
    encoded("lzw.tiff", encode(im, "TIFF", compression="tiff_lzw"), a)
    encoded("deflate.tiff", encode(im, "TIFF", compression="tiff_adobe_deflate"), a)

    for o in range(1, 9):
        with_orientation(f"orientation{o}.jpg", im, "JPEG", o, quality=95, subsampling=0)
    with_orientation("orientation6.png", im, "PNG", 6)
    with_orientation("orientation5.webp", im, "WEBP", 5, lossless=True)
    with_orientation("orientation8.tiff", im, "TIFF", 8)


if __name__ == "__main__":
    for folder in ("golden", "decode"):
        (HERE / folder).mkdir(exist_ok=True)
    stages()
    formats()
    made_with = {"torch": torch.__version__, "torchvision": torchvision.__version__, "pillow": PIL.__version__}
    parts = [f'"made_with": {json.dumps(made_with)}']
    for name, rows in (("stages", cases), ("samples", samples()), ("decode", decodes)):
        parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    (HERE / "golden.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")
