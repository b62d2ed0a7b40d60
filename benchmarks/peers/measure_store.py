"""Runs a program that reads all images of a dataset, once or several times, and prints what it took as Go's benchmarks do.

    python3 measure_store.py CASE SUBJECT KINDS TOTALS CACHE -- COMMAND ...

KINDS are names with commas between; before the one called cold CACHE is emptied, so "cold,warm" reads with an empty cache and then with the
one that this has filled. The command prints a line of JSON as read_store.py does; what it read must come to the totals, a file of such a
line. Ingest prints in words how many images there were, and what took time is all of it. whole-s is the time of the whole command, the start of its program included.
"""

import json
import os
import shutil
import subprocess
import sys
import time


def main():
    case, subject, kinds, totals, cache, _, *command = sys.argv[1:]
    with open(totals) as f:
        totals = json.load(f)
    for kind in kinds.split(","):
        if kind == "cold":
            shutil.rmtree(cache, ignore_errors=True)
            os.makedirs(cache)
        begin = time.perf_counter()
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        whole = time.perf_counter() - begin
        last = output.splitlines()[-1]
        if last.startswith(b"{"):
            read = json.loads(last)
        elif b" %d images " % totals["images"] in last:
            read = {**totals, "seconds": whole}
        else:
            sys.exit(f"{case} by {subject}: {last} is not {totals['images']} images")
        if wrong := {k: (read[k], v) for k, v in totals.items() if read[k] != v}:
            sys.exit(f"{case} by {subject}: what was read and what is there: {wrong}")
        s = read["seconds"]
        print(f"BenchmarkStore/{case}/{kind}/{subject} 1 {s:.3f} s {read['images'] / s:.1f} images/s {whole:.2f} whole-s "
              f"{read['bytes'] / 1e6 / s:.1f} MB/s", flush=True)


if __name__ == "__main__":
    main()
