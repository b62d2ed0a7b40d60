"""What golden.py and golden_tensorflow.py write about the parts of an image that a library draws."""

import numpy as np


def shares(boxes):
    """For each quantity of boxes (x, y, w, h), pairs of a value and the share of the boxes that do not exceed it."""
    x, y, w, h = np.asarray(boxes, dtype=np.float64).T
    table = {}
    for name, values in [("x", x), ("y", y), ("width", w), ("height", h), ("area", w * h), ("ratio", w / h)]:
        at = np.unique(np.quantile(values, [0, 0.01, 0.05, *np.arange(0.1, 0.95, 0.1), 0.95, 0.99, 1], method="lower"))
        table[name] = [[v, float(np.mean(values <= v))] for v in at]
    return table
