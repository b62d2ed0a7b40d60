"""Reads a folder of shards with pyarrow and checks it, independently of goclr: python read_shards.py DIR

Needs pyarrow; with the package crc32c (or google_crc32c) it compares that column too, else a slow loop does.
"""

import hashlib
import json
import pathlib
import re
import sys

import pyarrow as pa


def castagnoli():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)

    def crc32c(data):
        crc = 0xFFFFFFFF
        for byte in data:
            crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
        return crc ^ 0xFFFFFFFF

    return crc32c


try:
    from crc32c import crc32c
except ImportError:
    crc32c = castagnoli()

SCHEMA = pa.schema(
    [
        ("id", pa.uint64()),
        ("label", pa.int32()),
        ("key", pa.string()),
        ("image", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("crc32c", pa.uint32()),
    ]
)


def main(folder):
    text = (folder / "manifest.json").read_bytes()
    manifest = json.loads(text)
    assert manifest["format"] == "goclr-shards" and manifest["version"] == 1
    blank = re.sub(rb'"sha256": "[0-9a-f]{64}"\n}\n$', b'"sha256": "' + b"0" * 64 + b'"\n}\n', text)
    assert hashlib.sha256(blank).hexdigest() == manifest["sha256"], "manifest"

    rows = 0
    for shard in manifest["shards"]:
        path = folder / shard["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == shard["sha256"], path
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
            table.validate(full=True)
            assert all(a.type == b.type and a.name == b.name for a, b in zip(table.schema, SCHEMA, strict=True)), table.schema
            assert table.num_rows == shard["rows"] and not any(c.null_count for c in table.columns)
            for row in table.to_pylist():
                assert row["id"] == rows
                assert -1 <= row["label"] < len(manifest["classes"])
                assert crc32c(row["image"]) == row["crc32c"], (path, row["id"])
                rows += 1
    assert rows == manifest["rows"]
    print(f"{folder}: {rows} images in {len(manifest['shards'])} shards, all good")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
