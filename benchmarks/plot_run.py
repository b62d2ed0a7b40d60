"""Draws the loss and the kNN accuracy of a run, from its metrics.jsonl (see simclr/FORMAT.md), as a PNG.

    python benchmarks/plot_run.py RUN [-o curves.png] [--title TITLE]

Steps are thin and grey, their means over a fiftieth of the run are thick; evaluations are points, with the first and the last
value written beside them.
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]


def read(run):
    path = pathlib.Path(run)
    if path.is_dir():
        path /= "metrics.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    steps = [r for r in records if "loss" in r]
    evaluations = [r for r in records if "evaluation" in r]
    if not steps:
        raise SystemExit(f"{path} has no step")
    return steps, evaluations


def draw_loss(axes, steps):
    epochs = np.array([r["epoch"] for r in steps])
    loss = np.array([r["loss"] for r in steps])
    axes.plot(epochs, loss, color="0.8", linewidth=0.5)
    bins = np.array_split(np.arange(len(steps)), min(50, len(steps)))
    axes.plot([epochs[b].mean() for b in bins], [loss[b].mean() for b in bins], color=COLOURS[0], linewidth=2)
    axes.set_ylabel("NT-Xent loss")


def draw_evaluations(axes, evaluations):
    for i, name in enumerate(dict.fromkeys(n for r in evaluations for n in r["evaluation"])):
        points = [(r["epoch"], 100 * r["evaluation"][name]) for r in evaluations if name in r["evaluation"]]
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(*zip(*points), color=colour, marker="o", markersize=4, linewidth=2, label=name)
        for x, y in points[:1] + points[-1:]:
            axes.annotate(f"{y:.1f}", (x, y), (8, -10), textcoords="offset points", color=colour)
    axes.set_ylabel("accuracy on test images, %")
    axes.margins(0.12)
    axes.legend(frameon=False, loc="lower right")


def set_style():
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "0.92"})


def save(figure, path, title):
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None}, pil_kwargs={"optimize": True})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="directory that pretrain wrote, or its metrics.jsonl")
    parser.add_argument("-o", "--out", default="curves.png", help="the PNG to write")
    parser.add_argument("--title", default="")
    args = parser.parse_args()

    steps, evaluations = read(args.run)
    set_style()
    figure, panels = plt.subplots(1, 2 if evaluations else 1, figsize=(10 if evaluations else 5.5, 3.8), squeeze=False)
    draw_loss(panels[0, 0], steps)
    if evaluations:
        draw_evaluations(panels[0, 1], evaluations)
    for axes in panels.flat:
        axes.set_xlabel("epoch")
        axes.set_xlim(left=0)
    save(figure, args.out, args.title)


if __name__ == "__main__":
    main()
