"""Makes tensorflow.json and the images in tensorflow/: what TensorFlow makes of the images of this folder.

The Go tests read the files; nobody needs this script to build, run or test goclr. It needs tensorflow, numpy and Pillow, and
was last run with the versions that tensorflow.json names:

    python stages/testdata/golden_tensorflow.py
"""

import json
import pathlib

import numpy as np
import PIL
import tensorflow as tf
from PIL import Image

from shares import shares

HERE = pathlib.Path(__file__).parent

cases = []


def load(name):
    return tf.image.convert_image_dtype(np.asarray(Image.open(HERE / name).convert("RGB")), tf.float32)


def clip(x):
    return tf.clip_by_value(x, 0.0, 1.0)


def case(kind, image, result, **params):
    want = f"tensorflow/{len(cases):02d}-{kind}.png"
    levels = np.rint(clip(result).numpy() * 255).astype(np.uint8)
    Image.fromarray(levels).save(HERE / want, optimize=True)
    cases.append({"kind": kind, "image": image, "want": want, **params})


def blur(x, width, sigma):
    """Separable, rows first, beyond the borders zero, as depthwise convolutions with padding SAME."""
    taps = np.exp(-(np.arange(width, dtype=np.float32) - width // 2) ** 2 / (2 * np.float32(sigma) ** 2))
    taps = tf.tile(tf.reshape(taps / taps.sum(), [width, 1, 1, 1]), [1, 1, 3, 1])
    x = tf.nn.depthwise_conv2d(x[None], tf.transpose(taps, [1, 0, 2, 3]), [1, 1, 1, 1], "SAME")
    return tf.nn.depthwise_conv2d(x, taps, [1, 1, 1, 1], "SAME")[0]


def stages():
    for image, x, y, w, h, size in [
        ("97x61.png", 0, 0, 97, 61, 32),  # both directions shrink, unequally
        ("97x61.png", 11, 7, 70, 50, 48),  # by less than two
        ("48x40.png", 5, 3, 17, 13, 56),  # both directions grow
        ("97x61.png", 3, 20, 90, 21, 40),  # one grows, one shrinks
        ("97x61.png", 0, 0, 97, 61, 5),  # far apart
        ("48x40.png", 47, 39, 1, 1, 4),  # a single pixel
    ]:
        part = tf.image.crop_to_bounding_box(load(image), y, x, h, w)
        case("resize", image, tf.compat.v1.image.resize_bicubic(part[None], [size, size])[0], box=[x, y, w, h], size=size)

    name = "48x40.png"
    img = load(name)
    case("grayscale", name, tf.tile(tf.image.rgb_to_grayscale(img), [1, 1, 3]))

    add, multiply = tf.image.adjust_brightness, lambda x, f: x * f
    ops = [multiply, tf.image.adjust_contrast, tf.image.adjust_saturation, tf.image.adjust_hue]
    neutral = [1, 1, 1, 0]
    for i, factors in enumerate(
        [
            (0, 0.2013, 0.7129, 1.2053, 1.7987),
            (0, 0.2013, 0.7129, 1.2053, 1.7987),
            (0, 0.2013, 0.7129, 1.2053, 1.7987),
            (-0.5, -0.1913, -0.0311, 0.0979, 0.2, 0.3711),
        ]
    ):
        for f in factors:
            case("jitter", name, ops[i](img, f), order=1234, factors=neutral[:i] + [f] + neutral[i + 1 :])
    for f in (-0.8, -0.3127, 0.1019, 0.7983):
        case("jitter", name, add(img, f), order=1234, factors=[f, 1, 1, 0], add=True)
    for order, factors in [
        (1234, [0.8017, 1.2053, 0.7129, 0.0511]),
        (4321, [1.3111, 0.8059, 1.3127, -0.0973]),
        (3142, [1.1071, 0.6131, 0.5087, 0.0979]),
        (2413, [0.7043, 1.3987, 1.2049, -0.0811]),
        (1423, [1.5931, 1.7219, 1.7987, 0.2]),
        (3421, [0.2573, 0.3057, 1.7611, -0.1913]),
        (3142, [0.4017, 0.6131, 0.5087, 0.0979]),
        (2413, [-0.6043, 1.3987, 1.2049, -0.0811]),
    ]:
        # The addends of the first version are those below 0.5.
        first = factors[0] < 0.5 and order != 3421
        out = img
        for digit in str(order):
            i = int(digit) - 1
            out = clip((add if i == 0 and first else ops[i])(out, factors[i]))
        case("chain", name, out, order=order, factors=factors, add=first)

    for image, width, sigma in [
        ("48x40.png", 3, 0.1),
        ("48x40.png", 5, 0.6),
        ("48x40.png", 9, 1.3),
        ("97x61.png", 23, 0.9),
        ("97x61.png", 23, 2.0),
    ]:
        case("blur", image, blur(load(image), width, sigma), kernel=width, sigma=sigma)


def samples():
    """How the parts that sample_distorted_bounding_box draws are distributed. The last row has bounds of its own."""
    draws = 100_000
    rows = []
    usual = ([0.08, 1.0], [3 / 4, 4 / 3])
    sizes = [(500, 375), (333, 500), (97, 61), (32, 32), (300, 40), (11, 7)]
    for w, h, scale, ratio in [(w, h, *usual) for w, h in sizes] + [(19, 23, [0.2, 0.35], [0.5, 2.0])]:

        def draw(_, w=w, h=h, scale=scale, ratio=ratio):
            begin, size, _ = tf.image.sample_distorted_bounding_box(
                [h, w, 3],
                tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
                min_object_covered=0.1,
                aspect_ratio_range=ratio,
                area_range=scale,
                max_attempts=100,
                use_image_if_no_bounding_boxes=True,
                seed=1,
            )
            return tf.stack([begin[1], begin[0], size[1], size[0]])

        boxes = next(iter(tf.data.Dataset.range(draws).map(draw).batch(draws)))
        row = {"w": w, "h": h, "scale": scale, "ratio": ratio, "draws": draws}
        rows.append(row | {"shares": shares(boxes.numpy())})
    return rows


if __name__ == "__main__":
    tf.random.set_seed(1)
    (HERE / "tensorflow").mkdir(exist_ok=True)
    stages()
    parts = [f'"made_with": {json.dumps({"tensorflow": tf.__version__, "numpy": np.__version__, "pillow": PIL.__version__})}']
    for name, rows in (("stages", cases), ("samples", samples())):
        parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    (HERE / "tensorflow.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")
