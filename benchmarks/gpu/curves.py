"""Draws the losses and the kNN accuracies of runs over epochs as one SVG. It needs Python alone.

    python3 curves.py CURVES.svg NAME RUN SCORES [NAME RUN SCORES ...]

SCORES is what benchmarks/score printed of the run's checkpoints. Losses are means over a hundredth of the longest run.
"""

import html
import math
import sys

import runs

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
WIDTH, HEIGHT, LEFT, TOP, GAP = 430, 300, 60, 30, 70
BINS = 100


def means(run):
    """Returns pairs of epoch and mean loss."""
    records = runs.records(run)
    if not records:
        return []
    size = max(1, runs.info(run)["steps"] // BINS if len(records) > BINS else 1)
    groups = [records[i:i + size] for i in range(0, len(records), size)]
    return [(sum(r["epoch"] for r in g) / len(g), sum(r["loss"] for r in g) / len(g)) for g in groups]


def accuracies(run, scores):
    """Returns pairs of epoch and kNN accuracy in percent."""
    found = runs.scores(scores)
    return [(step / runs.steps_per_epoch(run), 100 * found[step]["knn"]) for step in sorted(found)]


def ticks(low, high):
    """Returns about five round numbers from low to high."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def panel(left, title, series):
    """Yields the elements of one diagram; series are the points of each run."""
    points = [p for s in series for p in s]
    yield f'<text x="{left}" y="{TOP - 12}" font-weight="bold">{title}</text>'
    if not points:
        yield f'<text x="{left}" y="{TOP + 20}">nothing was measured</text>'
        return
    most = max(x for x, _ in points) or 1
    low, high = min(y for _, y in points), max(y for _, y in points)
    room = (high - low) * 0.05 or 1
    low, high = low - room, high + room

    def place(x, y):
        return f"{left + WIDTH * x / most:.1f},{TOP + HEIGHT * (high - y) / (high - low):.1f}"

    for y in ticks(low, high):
        x1, y1 = place(0, y).split(",")
        yield f'<path d="M{x1} {y1}h{WIDTH}" stroke="#ddd"/><text x="{left - 6}" y="{y1}" dy="4" text-anchor="end">{y:.10g}</text>'
    for x in ticks(0, most):
        yield f'<text x="{left + WIDTH * x / most:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{x:.10g}</text>'
    yield f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 36}" text-anchor="middle">epoch</text>'
    for colour, s in zip(COLOURS, series):
        yield f'<polyline points="{" ".join(place(*p) for p in s)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        if len(s) <= BINS / 2:
            yield from (f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in (place(*p).split(",") for p in s))


def draw(subjects):
    """Returns the SVG; subjects are (name, run, scores)."""
    second = LEFT + WIDTH + GAP
    elements = [*panel(LEFT, "NT-Xent loss", [means(run) for _, run, _ in subjects]),
                *panel(second, "kNN on test images, %", [accuracies(run, scores) for _, run, scores in subjects])]
    bottom = TOP + HEIGHT + 62
    for i, (colour, (name, _, _)) in enumerate(zip(COLOURS, subjects)):
        x = LEFT + i * 220
        elements.append(f'<path d="M{x} {bottom - 4}h24" stroke="{colour}" stroke-width="2"/><text x="{x + 30}" y="{bottom}">{html.escape(name)}</text>')
    width, height = second + WIDTH + 20, bottom + 16
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
                      'font-family="sans-serif" font-size="12">', f'<rect width="{width}" height="{height}" fill="#fff"/>', *elements, "</svg>\n"])


def main():
    arguments = sys.argv[2:]
    if not arguments or len(arguments) % 3 or len(arguments) // 3 > len(COLOURS):
        sys.exit(__doc__)
    with open(sys.argv[1], "w") as f:
        f.write(draw(list(zip(*[iter(arguments)] * 3))))


if __name__ == "__main__":
    main()
