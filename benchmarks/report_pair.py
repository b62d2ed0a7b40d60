"""Prints what run_training.sh measured, in Markdown: see there.

    python benchmarks/report_pair.py OUT STEPS [--control 20]
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
from importlib.metadata import version

import compare
import plot_pair
import plot_run


def distance(a, b):
    return f"{abs(b - a) / a:.1e}"


def read_info(run):
    return json.loads((run / "latest" / "run.json").read_text())


def print_recipe(out):
    first, torch = (read_info(out / subject) for subject in plot_pair.SUBJECTS)
    config, plan = first["config"], first["plan"]
    print(f"Model: `{json.dumps(config['model'])}`. Optimiser: `{json.dumps(config['optimizer'])}`, schedule of {first['steps']} steps "
          f"({config['epochs']} epochs), seed {config['seed']}. Batches of {plan['batch']} of {plan['images']} images, plan {first['plan_hash'][:12]}.\n")
    print(f"goclr: {first['backend']['library']}, {first['backend']['threads']} threads. PyTorch: {torch['backend']['library']}, "
          f"{torch['backend']['threads']} threads; its batches come from goclr's pipeline in a process beside it.\n")


def print_start(out, losses, control):
    """Prints how the losses part over the first steps, where rounding is all that tells the runs apart."""
    goclr, torch = losses["goclr"], losses["torch"]
    other = [r["loss"] for r in plot_run.read(out / "control")[0]]
    print(f"Loss at the first steps, and its relative differences. The control is {read_info(out / 'control')['backend']['library']}; "
          "the last column, PyTorch beside itself, shows how far rounding alone leads.\n")
    steps = [s for s in (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100) if s <= control]
    compare.print_table(
        ["step", "goclr", "PyTorch", "goclr to PyTorch", "goclr to the control", "PyTorch to the control"],
        [[s, f"{goclr[s - 1]:.6f}", f"{torch[s - 1]:.6f}", distance(goclr[s - 1], torch[s - 1]), distance(goclr[s - 1], other[s - 1]),
          distance(torch[s - 1], other[s - 1])] for s in steps])
    print()


def print_losses(losses):
    goclr, torch = losses["goclr"], losses["torch"]
    print("Mean loss of each tenth of the run:\n")
    tenths = [(i * len(goclr) // 10, (i + 1) * len(goclr) // 10) for i in range(10)]
    rows = []
    for start, end in tenths:
        if start < end:
            a, b = goclr[start:end].mean(), torch[start:end].mean()
            rows.append([f"{start + 1} to {end}", f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}"])
    compare.print_table(["steps", "goclr", "PyTorch", "difference"], rows)
    print()


def print_scores(out, steps):
    goclr, torch = (plot_pair.read_scores(out / s / f"scores-{steps}.jsonl") + plot_pair.read_scores(out / s / f"last-{steps}.jsonl")
                    for s in plot_pair.SUBJECTS)
    print("Accuracy of both by the same program, benchmarks/score; differences in points:\n")
    rows = []
    for a, b in zip(goclr, torch):
        row = [f"{a['step']}", f"{a['train_images']}", f"{a['test_images']}"]
        for method in plot_pair.STYLES:
            row += [f"{100 * a[method]:.2f} %", f"{100 * b[method]:.2f} %", f"{100 * (b[method] - a[method]):+.2f}"]
        rows.append(row)
    titles = [f"{name}, {subject}" for name, _ in plot_pair.STYLES.values() for subject in ("goclr", "PyTorch", "difference")]
    compare.print_table(["step", "training images", "test images", *titles], rows)
    print()


def print_speed(out, steps):
    print("Speed while training, data included:\n")
    rows = []
    for subject, name in plot_pair.SUBJECTS.items():
        records = plot_run.read(out / subject)[0][:steps]
        speeds = sorted(r["images_per_s"] for r in records)
        tenth = len(speeds) // 10
        wait = statistics.mean(r["wait"] for r in records)
        rows.append([name, statistics.median(speeds), f"{compare.number(speeds[tenth])} to {compare.number(speeds[-1 - tenth])}", f"{100 * wait:.1f} %"])
    compare.print_table(["subject", "images/s, median", "without the tenths at either end", "waiting for data"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="the directory that run_training.sh filled")
    parser.add_argument("steps", type=int)
    parser.add_argument("--control", type=int, default=20, help="steps that PyTorch took in its other layout")
    parser.add_argument("--load", type=float, default=os.getloadavg()[0], help="the load average before the start")
    parser.add_argument("--flags", default="", help="of pretrain, to be shown")
    args = parser.parse_args()

    losses = plot_pair.read_losses(args.out, args.steps)
    print(f"    sh benchmarks/run_training.sh OUT {args.steps} {args.flags}\n")
    print(f"Machine: {compare.machine()}. Load average before: {args.load}.\n")
    print(f"Versions: Python {platform.python_version()}, PyTorch {version('torch')}, pyarrow {version('pyarrow')}.\n")
    print_recipe(args.out)
    print_start(args.out, losses, args.control)
    print_losses(losses)
    print_scores(args.out, args.steps)
    print_speed(args.out, args.steps)


if __name__ == "__main__":
    main()
