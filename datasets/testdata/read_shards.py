"""Reads a folder of shards with pyarrow and checks it, independently of goclr: python read_shards.py DIR

Needs pyarrow; with duckdb it asks that too; with the package crc32c (or google_crc32c) it compares that column too, else a slow loop does.
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


def in_duckdb(shard):
    try:
        import duckdb
    except ImportError:
        return
    rows, size = duckdb.sql("select count(*), sum(octet_length(image)) from shard").fetchall()[0]
    assert rows == shard.num_rows and size == sum(len(v) for v in shard["image"].to_pylist())


def number(n):
    return n.to_bytes(8, "little")


def key_id(key):
    digest = hashlib.sha256(number(9) + b"goclr key" + number(len(key)) + key).digest()
    return int.from_bytes(digest[:8], "big")


def row_digest(key, label, image):
    parts = [number(9), b"goclr row", number(len(key)), key, number(label % 2**64), number(32), hashlib.sha256(image).digest()]
    return int.from_bytes(hashlib.sha256(b"".join(parts)).digest(), "little")


def main(folder):
    text = (folder / "manifest.json").read_bytes()
    manifest = json.loads(text)
    assert manifest["format"] == "goclr-shards" and manifest["version"] == 2
    blank = re.sub(rb'"sha256": "[0-9a-f]{64}"\n}\n$', b'"sha256": "' + b"0" * 64 + b'"\n}\n', text)
    assert hashlib.sha256(blank).hexdigest() == manifest["sha256"], "manifest"

    rows, last, content = 0, -1, 0
    for shard in manifest["shards"]:
        path = folder / shard["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == shard["sha256"], path
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
            table.validate(full=True)
            assert all(a.type == b.type and a.name == b.name for a, b in zip(table.schema, SCHEMA, strict=True)), table.schema
            assert table.num_rows == shard["rows"] and not any(c.null_count for c in table.columns)
            for row in table.to_pylist():
                assert row["id"] == key_id(row["key"].encode()) and row["id"] > last
                last = row["id"]
                content += row_digest(row["key"].encode(), row["label"], row["image"])
                assert -1 <= row["label"] < len(manifest["classes"])
                assert crc32c(row["image"]) == row["crc32c"], (path, row["id"])
                rows += 1
            in_duckdb(table)
    assert rows == manifest["rows"]
    assert manifest["content"] == "sha256-sum:" + (content % 2**256).to_bytes(32, "little").hex()
    print(f"{folder}: {rows} images in {len(manifest['shards'])} shards, all good")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
