"""Reads every image of a dataset once, in shuffled order and without decoding, by the library whose form it has, and prints in one line of
JSON how many there were, their bytes, the sum of their checksums and labels, and the seconds that it took.

    python3 read_store.py webdataset|webdataset-uncached|litdata|mosaicml BUCKET PREFIX CACHE WORKERS

AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY name the store, whose shards are kept in CACHE. Time begins with the first
batch, when the dataset is open; benchmarks/objectstore does the same with goclr.
"""

import json
import os
import sys
import time
import zlib

BATCH = 256


def identity(batch):
    return batch


def webdataset(bucket, prefix, cache, workers):
    import boto3
    import webdataset
    from botocore.config import Config
    from torch.utils.data import DataLoader

    s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
    names = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/webdataset/")["Contents"]]
    urls = [s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": name}) for name in names]  # fetched by curl
    dataset = webdataset.WebDataset(urls, shardshuffle=100, cache_dir=cache).shuffle(1000).to_tuple("jpg", "cls")
    return DataLoader(dataset, BATCH, num_workers=workers, collate_fn=identity)


def webdataset_uncached(bucket, prefix, cache, workers):
    return webdataset(bucket, prefix, None, workers)


def litdata(bucket, prefix, cache, workers):
    from litdata import StreamingDataLoader, StreamingDataset
    from litdata.streaming import downloader

    downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True  # it has no option for that, and would refuse the store on loopback
    dataset = StreamingDataset(f"s3://{bucket}/{prefix}/litdata", cache_dir=cache, shuffle=True,
                               storage_options={"endpoint_url": os.environ["AWS_ENDPOINT_URL"]})
    return StreamingDataLoader(dataset, batch_size=BATCH, num_workers=workers, collate_fn=identity)


def mosaicml(bucket, prefix, cache, workers):
    from streaming import StreamingDataset
    from torch.utils.data import DataLoader

    os.environ["S3_ENDPOINT_URL"] = os.environ["AWS_ENDPOINT_URL"]
    dataset = StreamingDataset(remote=f"s3://{bucket}/{prefix}/mosaicml", local=cache, shuffle=True, batch_size=BATCH)
    return DataLoader(dataset, BATCH, num_workers=workers, collate_fn=identity)


PEERS = {"webdataset": webdataset, "webdataset-uncached": webdataset_uncached, "litdata": litdata, "mosaicml": mosaicml}


def main():
    library, bucket, prefix, cache, workers = sys.argv[1:]
    printed = os.dup(1)
    os.dup2(2, 1)  # libraries print what they do
    loader = PEERS[library](bucket, prefix, cache, int(workers))
    images = size = total = 0
    begin = time.perf_counter()
    for batch in loader:
        for sample in batch:
            image, label = (sample["image"], sample["label"]) if isinstance(sample, dict) else sample
            images += 1
            size += len(image)
            total += zlib.crc32(image) + int(label)
    seconds = time.perf_counter() - begin
    os.write(printed, json.dumps({"images": images, "bytes": size, "sum": total, "seconds": seconds}).encode() + b"\n")


if __name__ == "__main__":
    main()
