"""Draws the loss of goclr and of PyTorch over the same batches, how far they are apart, and the accuracies of both, as a PNG.

    python benchmarks/plot_pair.py OUT STEPS [-o training.png] [--title TITLE]

OUT is what run_training.sh made. Steps are thin and pale, their means over a fiftieth of the run are thick.
"""

import argparse
import json
import pathlib

import matplotlib.pyplot as plt
import numpy as np

import plot_run

SUBJECTS = {"goclr": "goclr", "torch": "PyTorch"}
COLOURS = dict(zip(SUBJECTS, plot_run.COLOURS))
STYLES = {"knn": ("kNN", "-"), "linear": ("linear", "--")}


def read_losses(out, steps):
    """Returns the loss of each of the first steps, by subject."""
    return {s: np.array([r["loss"] for r in plot_run.read(out / s)[0][:steps]]) for s in SUBJECTS}


def read_scores(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def draw_losses(axes, losses):
    for subject, loss in losses.items():
        steps = np.arange(1, len(loss) + 1)
        axes.plot(steps, loss, color=COLOURS[subject], linewidth=0.5, alpha=0.25)
        bins = np.array_split(np.arange(len(loss)), min(50, len(loss)))
        means = [loss[b].mean() for b in bins]
        axes.plot([steps[b].mean() for b in bins], means, color=COLOURS[subject], linewidth=2, label=SUBJECTS[subject])
    axes.set_ylabel("NT-Xent loss")
    axes.legend(frameon=False)


def draw_differences(axes, losses):
    goclr, torch = losses["goclr"], losses["torch"]
    steps = np.arange(1, len(goclr) + 1)
    difference = np.abs(torch - goclr) / goclr
    axes.loglog(steps, np.where(difference > 0, difference, np.nan), ".", color="0.3", markersize=3)
    axes.set_ylabel("difference of the loss, relative")


def draw_scores(axes, out, steps):
    for subject, name in SUBJECTS.items():
        scores = read_scores(out / subject / f"scores-{steps}.jsonl")
        for key, (method, style) in STYLES.items():
            points = [(r["step"], 100 * r[key]) for r in scores]
            axes.plot(*zip(*points), style, color=COLOURS[subject], marker="o", markersize=3, label=f"{name}, {method}")
    axes.set_ylabel("accuracy on test images, %")
    axes.legend(frameon=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="the directory that run_training.sh filled")
    parser.add_argument("steps", type=int)
    parser.add_argument("-o", "--png", default="training.png", help="the PNG to write")
    parser.add_argument("--title", default="")
    args = parser.parse_args()

    losses = read_losses(args.out, args.steps)
    plot_run.set_style()
    figure, panels = plt.subplots(1, 3, figsize=(14, 3.8))
    draw_losses(panels[0], losses)
    draw_differences(panels[1], losses)
    draw_scores(panels[2], args.out, args.steps)
    for axes in panels:
        axes.set_xlabel("step")
    plot_run.save(figure, args.png, args.title)


if __name__ == "__main__":
    main()
