"""Prints what runs of pretrain and of torch_train.py measured, in Markdown, for run.sh. It needs Python alone.

    python3 summary.py losses RUN RUN...           losses step by step, and how far they are from those of the first run
    python3 summary.py training RUN [RUN...]       speed, share of time waiting for batches, minutes; RUN.seconds has those of each command
    python3 summary.py unscored SCORES EPOCHS RUN  checkpoints at whole multiples of so many epochs that SCORES lacks, one a line
    python3 summary.py equal RUN [RUN]             the last step at the end of an epoch of which all have a checkpoint
    python3 summary.py verdict STEPS GOCLR TORCH   accuracies, which are files of scores, against what was aimed at after all STEPS
"""

import pathlib
import statistics
import sys

import runs

WAIT = 0.05  # the share of time waiting for batches should be less
KNN, LINEAR = 0.84, 0.88  # aimed at after all epochs
POINTS = 0.01  # with fewer, goclr should be no farther below PyTorch


def against(met, aim):
    return f"{'met' if met else 'NOT met'}: aimed at {aim}"


def losses(first, *others):
    a = runs.losses(first)
    for other in others:
        b = runs.losses(other)
        both = sorted(a.keys() & b.keys())
        if not both:
            print(f"{pathlib.Path(other).name} has no step yet.\n")
            continue
        shown = [s for s in both if s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, both[-1])]
        print(f"| step | {pathlib.Path(first).name} | {pathlib.Path(other).name} | difference |\n|--:|--:|--:|--:|")
        for s in shown:
            print(f"| {s} | {a[s]:.5f} | {b[s]:.5f} | {b[s] - a[s]:+.5f} |")
        differences = [abs(b[s] - a[s]) for s in both]
        print(f"\nOver {len(both)} steps these losses differ by {statistics.mean(differences):.5f} on average, by {max(differences):.5f} at most.\n")


def training(*of):
    for run in of:
        records = runs.records(run)
        name = pathlib.Path(run).name
        if not records:
            print(f"- {name}: no step yet.")
            continue
        last = records[-1]
        steady = records[len(records) // 10:]  # after algorithms were chosen and workers tuned
        speed = statistics.median(r["images_per_s"] for r in steady)
        seconds = [1 / r["images_per_s"] for r in steady]
        wait = sum(s * r["wait"] for s, r in zip(seconds, steady)) / sum(seconds)
        aim = "" if name == "torch" else f" ({against(wait < WAIT, f'less than {100 * WAIT:.0f} %')})"
        spent = list(map(int, pathlib.Path(run + ".seconds").read_text().split()))
        print(f"- {name}: {last['step']} steps, {last['epoch']:.1f} epochs in {sum(spent) / 60:.1f} minutes of {len(spent)} commands, start, "
              f"compilation and checkpoints included; median {speed:,.0f} images/s (two views each); {100 * wait:.1f} % of the time waiting "
              f"for batches{aim}; loss {records[0]['loss']:.3f} to {last['loss']:.3f}.")


def unscored(scores, epochs, run):
    every, done = int(epochs) * runs.steps_per_epoch(run), runs.scores(scores)
    for step, path in runs.checkpoints(run).items():
        if step % every == 0 and step not in done:
            print(path)


def equal(*of):
    common = set.intersection(*(set(runs.checkpoints(run)) for run in of))
    whole = runs.steps_per_epoch(of[0])
    print(max(step for step in common if step % whole == 0))


def verdict(steps, goclr, torch):
    mine, theirs = runs.scores(goclr), runs.scores(torch)
    print("| step | kNN, goclr | linear, goclr | kNN, PyTorch | linear, PyTorch |\n|--:|--:|--:|--:|--:|")
    for step in sorted(mine.keys() | theirs.keys()):
        cells = [f"{100 * s[step][key]:.2f} %" if step in s else "" for s in (mine, theirs) for key in ("knn", "linear")]
        print(f"| {step} | {' | '.join(cells)} |")
    print()
    if both := sorted(mine.keys() & theirs.keys()):
        step = both[-1]
        for key in "knn", "linear":
            difference = mine[step][key] - theirs[step][key]
            print(f"- {key} after {step} steps, goclr less PyTorch: {100 * difference:+.2f} points "
                  f"({against(difference >= -POINTS, f'no more than {100 * POINTS:.0f} point below')}).")
    if int(steps) in mine:
        for key, aim in ("knn", KNN), ("linear", LINEAR):
            reached = mine[int(steps)][key]
            print(f"- {key} at the last epoch: {100 * reached:.2f} % ({against(reached >= aim, f'{100 * aim:.0f} %')}).")


def main():
    parts = {f.__name__: f for f in (losses, training, unscored, equal, verdict)}
    if len(sys.argv) < 3 or sys.argv[1] not in parts:
        sys.exit(__doc__)
    parts[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
