"""Writes images in the form of each library, and puts them into an S3 store.

    python3 write_store.py FOLDER OUT BUCKET PREFIX SHARD_MIB INGEST [COPIES]

FOLDER has class folders of JPEGs. With COPIES each is taken so often, under other names and with a comment in it that makes its bytes
differ. INGEST is goclr's program. AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY name the store. In OUT and below PREFIX come

    goclr/  webdataset/  litdata/  mosaicml/    shards of SHARD_MIB
    images.tar, images/                         the images of FOLDER as they are, for ingest; images/ only in the store, and with COPIES

and in OUT totals.json, what readers of the shards must come to, and originals.json, the same of the images of FOLDER.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import zlib


def write_webdataset(files, out, size):
    import webdataset

    os.makedirs(out)
    with webdataset.ShardWriter(f"{out}/%05d.tar", maxsize=size, maxcount=1 << 40, verbose=0) as writer:
        for file, label in files:
            writer.write({"__key__": f"{file.parent.name}/{file.stem}", "jpg": file.read_bytes(), "cls": label})


def read_for_litdata(job):
    file, label = job
    return {"image": file.read_bytes(), "label": label}


def write_litdata(files, out, size):
    from litdata import optimize

    optimize(fn=read_for_litdata, inputs=files, output_dir=str(out), chunk_bytes=size, num_workers=2)


def write_mosaicml(files, out, size):
    from streaming import MDSWriter

    with MDSWriter(out=str(out), columns={"image": "bytes", "label": "int"}, size_limit=size) as writer:
        for file, label in files:
            writer.write({"image": file.read_bytes(), "label": label})


PEERS = {"webdataset": write_webdataset, "litdata": write_litdata, "mosaicml": write_mosaicml}


def images_of(folder):
    return sorted(f for f in folder.rglob("*") if f.suffix.lower() in (".jpg", ".jpeg"))


def copy_images(files, out, copies):
    """Writes each image so often, from the second copy on with a comment segment behind its first marker."""
    for file in files:
        content = file.read_bytes()
        (out / file.parent.name).mkdir(parents=True, exist_ok=True)
        for k in range(copies):
            text = b"copy %d" % k
            comment = b"\xff\xfe" + (2 + len(text)).to_bytes(2, "big") + text if k else b""
            (out / file.parent.name / f"{file.stem}-{k}.jpg").write_bytes(content[:2] + comment + content[2:])


def archive(files, folder, out):
    with tarfile.open(out, "w") as tar:
        for file in files:
            tar.add(file, file.relative_to(folder))


def upload(bucket, folder, prefix):
    import boto3

    s3 = boto3.client("s3")
    files = [f for f in folder.rglob("*") if f.is_file()]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda f: s3.upload_file(str(f), bucket, f"{prefix}/{f.relative_to(folder)}"), files))


def labelled(folder):
    files = images_of(folder)
    classes = {name: k for k, name in enumerate(sorted({f.parent.name for f in files}))}
    return [(f, classes[f.parent.name]) for f in files]


def write_totals(files, out):
    totals = {"images": 0, "bytes": 0, "sum": 0}
    for file, label in files:
        content = file.read_bytes()
        totals["images"] += 1
        totals["bytes"] += len(content)
        totals["sum"] += zlib.crc32(content) + label
    out.write_text(json.dumps(totals) + "\n")


def main():
    folder, out, bucket, prefix, size, ingest = sys.argv[1:7]
    folder, out, size, copies = pathlib.Path(folder), pathlib.Path(out), int(size), int((sys.argv[7:] or [1])[0])
    out.mkdir()
    archive(images_of(folder), folder, out / "images.tar")
    images = folder
    if copies > 1:
        images = out.parent / f"{out.name}-copies"
        copy_images(images_of(folder), images, copies)
        upload(bucket, folder, f"{prefix}/images")
    files = labelled(images)
    subprocess.run([ingest, "-in", images, "-out", out / "goclr", "-shard-mb", str(size), "-max-bad", "0"], check=True)
    for name, write in PEERS.items():
        write(files, out / name, size << 20)
    upload(bucket, out, prefix)
    write_totals(files, out / "totals.json")
    write_totals(labelled(folder), out / "originals.json")


if __name__ == "__main__":
    main()
