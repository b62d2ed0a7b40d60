"""Reads a file of bad images with pyarrow, independently of goclr: python read_quarantine.py quarantine.arrow

Prints one line for each: id, key, label, stage, error, and the bytes in hex or "none".
"""

import sys

import pyarrow as pa

SCHEMA = pa.schema(
    [
        pa.field("id", pa.uint64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("bytes", pa.binary()),
    ]
)

with pa.memory_map(sys.argv[1]) as source:
    table = pa.ipc.open_file(source).read_all()
    table.validate(full=True)
    assert table.schema == SCHEMA, table.schema
    for row in table.to_pylist():
        image = "none" if row["bytes"] is None else row["bytes"].hex()
        print(row["id"], row["key"], row["label"], row["stage"], row["error"], image, sep="|")
