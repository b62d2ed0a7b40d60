"""Prints what runs of pretrain measured, in Markdown, for run.sh: it reads their metrics.jsonl.

    python3 summary.py losses RUN RUN      losses step by step
    python3 summary.py training RUN        speed, share of time waiting for batches, first and last loss
"""

import json
import pathlib
import statistics
import sys


def steps(run):
    """Returns the records of training steps, in order."""
    lines = (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if "loss" in r]


def losses(first, second):
    a, b = ({r["step"]: r["loss"] for r in steps(run)} for run in (first, second))
    both = sorted(a.keys() & b.keys())
    shown = [s for s in both if s in (1, 2, 5, 10, 20, 30, 50, 70, 100, both[-1])]
    print(f"| step | {pathlib.Path(first).name} | {pathlib.Path(second).name} | difference |\n|--:|--:|--:|--:|")
    for s in shown:
        print(f"| {s} | {a[s]:.5f} | {b[s]:.5f} | {b[s] - a[s]:+.5f} |")
    differences = [abs(b[s] - a[s]) for s in both]
    print(f"\nOver {len(both)} steps the losses differ by {statistics.mean(differences):.5f} on average, by {max(differences):.5f} at most.")


def training(run):
    records = steps(run)
    last = records[-1]
    steady = records[len(records) // 10:]  # after algorithms were chosen and workers tuned
    speed = statistics.median(r["images_per_s"] for r in steady)
    seconds = [1 / r["images_per_s"] for r in steady]
    wait = sum(s * r["wait"] for s, r in zip(seconds, steady)) / sum(seconds)
    print(f"{last['step']} steps, {last['epoch']:.1f} epochs; median {speed:,.0f} images/s (two views each); "
          f"{100 * wait:.1f} % of the time waiting for batches; loss {records[0]['loss']:.3f} to {last['loss']:.3f}.")


def main():
    parts = {"losses": (losses, 2), "training": (training, 1)}
    if len(sys.argv) < 2 or sys.argv[1] not in parts or len(sys.argv) - 2 != parts[sys.argv[1]][1]:
        sys.exit(__doc__)
    parts[sys.argv[1]][0](*sys.argv[2:])


if __name__ == "__main__":
    main()
