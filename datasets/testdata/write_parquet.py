"""Writes the images of class folders as Parquet files in the layout of Hugging Face, in many encodings: write_parquet.py IMAGES OUT."""
import itertools
import json
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

images, out = map(pathlib.Path, sys.argv[1:])
files = sorted(p for p in images.rglob("*") if p.is_file())
names = sorted({p.parent.name for p in files}, reverse=True)  # not in the order of goclr's labels
note = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}}}
schema = pa.schema(
    [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64()), ("caption", pa.list_(pa.string()))],
    metadata={"huggingface": json.dumps(note)},
)
rows = [
    {"image": {"bytes": p.read_bytes(), "path": str(p.relative_to(images))}, "label": names.index(p.parent.name), "caption": ["a", p.stem]}
    for p in files
]
text = schema.set(1, pa.field("label", pa.string())).set(0, pa.field("image", pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())])))
delta = {"image.bytes": "DELTA_LENGTH_BYTE_ARRAY", "image.path": "DELTA_BYTE_ARRAY", "label": "DELTA_BINARY_PACKED"}
codecs = ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]
for codec, version, encoding in itertools.product(codecs, ["1.0", "2.0"], ["dictionary", "plain", "delta", "text"]):
    options = {"compression": codec, "data_page_version": version, "row_group_size": 7, "write_page_checksum": True}
    if encoding == "plain":
        options["use_dictionary"] = False
    if encoding == "delta":
        options |= {"use_dictionary": False, "column_encoding": delta}
    folder = out / f"{codec}-{version}-{encoding}"
    folder.mkdir()
    middle = len(rows) // 2
    for n, part in enumerate([rows[:middle], rows[middle:]]):
        table = pa.Table.from_pylist(part, schema=schema)
        if encoding == "text":
            part = [row | {"label": names[row["label"]]} for row in part]
            table = pa.Table.from_pylist(part, schema=text)
        pq.write_table(table, folder / f"train-{n:05}-of-00002.parquet", **options)
