"""Reads and writes safetensors files of float32, without the package of that name, which a machine with a GPU may lack.

A file is the length of a header as eight bytes, little-endian; the header, a JSON object of names with type, shape and place; and the
numbers (https://github.com/huggingface/safetensors).
"""

import json
import math

import torch


def load(path):
    """Returns the tensors of a file by name."""
    with open(path, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        header = json.loads(f.read(size))
        data = bytearray(f.read())
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        if entry["dtype"] != "F32" or end - start != 4 * math.prod(entry["shape"]) or end > len(data):
            raise ValueError(f"{path}: tensor {name} is not whole, or not of float32: {entry}")
        tensors[name] = torch.frombuffer(data, dtype=torch.float32, count=(end - start) // 4, offset=start).reshape(entry["shape"])
    return tensors


def save(tensors, path):
    """Writes tensors of float32, on any device, to a file."""
    parts, header, start = [], {}, 0
    for name, tensor in tensors.items():
        parts.append(tensor.detach().cpu().contiguous().numpy().tobytes())
        end = start + len(parts[-1])
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        f.writelines(parts)
