"""Writes a folder of images, class/name.jpg, in the form that a library trains from, and prints images/s as Go's benchmarks do.

    python3 write_dataset.py webdataset|webdataset-synced|webdataset-decoded|litdata|ffcv CASE FOLDER OUT
    python3 write_dataset.py goclr|goclr-header CASE FOLDER OUT PATH/TO/ingest

Two processes, or threads, share the work. The time of a library begins when it is imported; that of goclr includes its program's start.

    goclr               checks every image as a training would decode it, and syncs what it writes
    goclr-header        checks the header and end of every image, and syncs what it writes
    webdataset          ShardWriter stores what is read
    webdataset-synced   the same, and what was written is brought to disk
    webdataset-decoded  as webdataset, after Pillow has decoded the image to see that it can be
    litdata             optimize stores what is read
    ffcv                DatasetWriter decodes by Pillow and encodes as JPEG of quality 90: it stores no bytes that a loader of images reads as they come
"""

import functools
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import time

CORES = 2
SHARD = 64 << 20  # bytes


def write_webdataset(job):
    import io

    import webdataset
    from PIL import Image

    number, files, classes, out, decode = job
    with webdataset.ShardWriter(f"{out}/{number}-%05d.tar", maxsize=SHARD, maxcount=1 << 40, verbose=0) as writer:
        for file in files:
            key = file.relative_to(file.parents[1]).with_suffix("")
            image = file.read_bytes()
            if decode:
                Image.open(io.BytesIO(image)).load()
            writer.write({"__key__": str(key), "jpg": image, "cls": classes[file.parent.name]})


def webdataset(files, classes, out, decode=False, sync=False):
    import webdataset  # noqa: F401
    from PIL import Image  # noqa: F401

    begin = time.perf_counter()
    os.makedirs(out)
    with multiprocessing.Pool(CORES) as pool:
        pool.map(write_webdataset, [(k, files[k::CORES], classes, out, decode) for k in range(CORES)])
    for file in pathlib.Path(out).iterdir() if sync else ():
        with open(file, "rb") as written:
            os.fsync(written.fileno())
    return time.perf_counter() - begin


def read_for_litdata(job):
    file, label = job
    return {"image": pathlib.Path(file).read_bytes(), "label": label}


def litdata(files, classes, out):
    from litdata import optimize

    begin = time.perf_counter()
    optimize(fn=read_for_litdata, inputs=[(str(f), classes[f.parent.name]) for f in files], output_dir=out, chunk_bytes=SHARD, num_workers=CORES)
    return time.perf_counter() - begin


class Images:
    """What FFCV's writer asks for images by their numbers."""

    def __init__(self, files, classes):
        self.files, self.classes = files, classes

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        from PIL import Image

        return Image.open(self.files[i]).convert("RGB"), self.classes[self.files[i].parent.name]


def ffcv(files, classes, out):
    from ffcv.fields import IntField, RGBImageField
    from ffcv.writer import DatasetWriter

    begin = time.perf_counter()
    os.makedirs(out)
    fields = {"image": RGBImageField(write_mode="jpg", jpeg_quality=90), "label": IntField()}
    DatasetWriter(f"{out}/images.beton", fields, num_workers=CORES).from_indexed_dataset(Images(files, classes))
    return time.perf_counter() - begin


def goclr(folder, out, program, check):
    begin = time.perf_counter()
    subprocess.run([program, "-in", folder, "-out", out, "-workers", str(CORES), "-shard-mb", str(SHARD >> 20), "-max-bad", "0",
                    "-check", check],
                   check=True, stdout=sys.stderr)
    return time.perf_counter() - begin


def main():
    library, case, folder, out = sys.argv[1:5]
    shutil.rmtree(out, ignore_errors=True)
    files = sorted((f for f in pathlib.Path(folder).rglob("*") if f.suffix.lower() in (".jpg", ".jpeg")), key=str)
    classes = {name: k for k, name in enumerate(sorted({f.parent.name for f in files}))}
    if library.startswith("goclr"):
        seconds = goclr(folder, out, sys.argv[5], "header" if library == "goclr-header" else "full")
    else:
        log = os.dup(1)
        os.dup2(2, 1)  # libraries print what they do
        write = {"webdataset": webdataset, "webdataset-synced": functools.partial(webdataset, sync=True), "webdataset-decoded": functools.partial(webdataset, decode=True), "litdata": litdata, "ffcv": ffcv}
        seconds = write[library](files, classes, out)
        os.dup2(log, 1)
    written = sum(f.stat().st_size for f in pathlib.Path(out).rglob("*") if f.is_file())
    if library != "ffcv" and written < sum(f.stat().st_size for f in files):
        sys.exit(f"{out} has {written} bytes, fewer than the images")
    print(f"BenchmarkIngest/{case}/{library} 1 {len(files) / seconds:.1f} images/s {seconds:.3f} s", flush=True)


if __name__ == "__main__":
    main()
