"""Reads the batches that benchmarks/stream writes, in either of its formats, ahead of who trains on them."""

import json
import queue
import threading

import torch


def open_stream(file, pinned):
    """Returns plan_hash and from as the stream has them, and an iterator over its batches: views, uint8 [2B,H,W,3].

    file is a buffered reader. Pinned memory is what a GPU copies from while it computes. Without -raw the stream needs pyarrow.
    """
    if file.peek(1)[:1] != b"{":
        return open_arrow(file, pinned)
    header = json.loads(file.readline())
    return {"plan_hash": header["plan_hash"], "from": header["from"]}, raw_batches(file, header["shape"], pinned)


def open_arrow(file, pinned):
    import pyarrow

    stream = pyarrow.ipc.open_stream(file)
    found = {k.decode(): v.decode() for k, v in stream.schema.metadata.items()}

    def batches():
        for batch in stream:
            views = torch.from_numpy(batch["views"].to_numpy_ndarray().copy()).flatten(0, 1)
            yield views.pin_memory() if pinned else views

    return {"plan_hash": found["plan_hash"], "from": int(found["from"])}, batches()


def raw_batches(file, shape, pinned):
    while True:
        views = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
        left = memoryview(views.numpy()).cast("B")
        while left and (n := file.readinto(left)):
            left = left[n:]
        if left:  # its writer was stopped
            return
        yield views.flatten(0, 1)


def ahead(batches, depth):
    """Returns an iterator over the same batches, which a thread reads up to depth ahead."""
    ready, end = queue.Queue(depth), object()

    def read():
        last = end
        try:
            for batch in batches:
                ready.put(batch)
        except Exception as e:  # for who waits at the other end
            last = e
        ready.put(last)

    threading.Thread(target=read, daemon=True).start()
    while (batch := ready.get()) is not end:
        if isinstance(batch, Exception):
            raise batch
        yield batch
