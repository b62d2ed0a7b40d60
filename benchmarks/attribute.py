"""Prints where the time of a training step goes, operator by operator, in Markdown: run_attribution.sh calls it.

    python3 attribute.py --peak FILE --threads 2 CASE::SHOWN::TRACE ...

FILE has what peers/peak.c printed, TRACE what `pretrain -profile-ops` wrote, from which the first step is left out; CASE and SHOWN, a
command, are printed. Operators of goclr have names such as "Conv 64x32x32 to 128x16x16 by 3x3/2 #7", [C, H, W] of either side of a
layer, which say how many operations a convolution takes if it is computed as it is defined.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import sys

import compare

LAYER = re.compile(r"(?P<c>\d+)x\d+x\d+ to (?P<o>\d+)x(?P<oh>\d+)x(?P<ow>\d+) by (?P<kh>\d+)x(?P<kw>\d+)/\d+")
FORWARD, GRAD_INPUT, GRAD_FILTERS = CONVOLUTIONS = "convolution forward", "gradient of input", "gradient of filters"
TOGETHER, REST, OUTSIDE = "**all convolutions**", "rest", "outside operators"
KINDS = {
    "Conv": FORWARD,
    "ConvPixels": FORWARD,
    "ConvGradInput": GRAD_INPUT,
    "ConvGradFilter": GRAD_FILTERS,
    "ConvPixelsGradFilter": GRAD_FILTERS,
    "Moments": "normalisation",
    "Normalize": "normalisation",
    "NormalizeGradInput": "normalisation",
    "NormalizeGradParams": "normalisation",
}
LEAST = 0.002  # share of a step from which on what is no convolution has a row of its own


class Group:
    """What all calls of some operators took, and how many operations their convolutions are."""

    def __init__(self, kind):
        self.kind, self.calls, self.ms, self.gflop = kind, 0, 0.0, 0.0

    def add(self, calls, ms, gflop):
        self.calls += calls
        self.ms += ms
        self.gflop += gflop

    def rate(self):
        """Returns GFLOP/s, 0 for what are no convolutions."""
        return 1000 * self.gflop / self.ms if self.gflop else 0


def gflop(name, images):
    """Returns the operations of a convolution of so many images: a multiplication and an addition for each tap, at borders too."""
    layer = {key: int(value) for key, value in LAYER.search(name).groupdict().items()}
    return 2e-9 * images * layer["o"] * layer["oh"] * layer["ow"] * layer["c"] * layer["kh"] * layer["kw"]


def read_trace(file):
    """Returns the ms of each step but the first, and the groups of these steps by name."""
    events = json.loads(file.read_text())
    steps = sorted((e["ts"], e["dur"]) for e in events if e["cat"] == "Session" and e["name"] == "model_run")
    if len(steps) < 2:
        sys.exit(f"{file}: has {len(steps)} steps, and the first one does not count: profile at least two")
    first_end = sum(steps[0])
    groups = {}
    for e in events:
        if e["cat"] != "Node" or not e["name"].endswith("_kernel_time") or e["ts"] < first_end:
            continue
        op, args = e["args"]["op_name"], e["args"]
        own = re.match(rf"({op} .*) #\d+_kernel_time$", e["name"])
        # Updates are many and small: those of all shapes are one.
        name = own[1] if own and op not in ("Velocity", "Descend") else op
        group = groups.setdefault(name, Group(KINDS.get(op, REST) if own else REST))
        operations = 0
        if group.kind in CONVOLUTIONS:
            (first_input,) = args["input_type_shape"][0].values()
            operations = gflop(name, first_input[0])
        group.add(1, e["dur"] / 1000, operations)
    if not any(g.kind in CONVOLUTIONS for g in groups.values()):
        sys.exit(f"{file}: has no convolution by goclr's own operators: without -standard-operators, does pretrain say why it falls back?")
    return [dur / 1000 for _, dur in steps[1:]], groups


def read_peak(file, threads):
    """Returns the highest GFLOP/s on one thread and on so many, and the name of the instructions."""
    best = collections.defaultdict(float)
    for (_, subject, cores), values in compare.parse(file.read_text(), cores=True):
        best[cores], instructions = max(best[cores], values["GFLOP/s"]), subject
    if not {1, threads} <= best.keys():
        sys.exit(f"{file}: no peak of 1 and of {threads} threads: give it what peers/peak.c prints with {threads}")
    return best[1], best[threads], instructions


def print_rows(title, rows, steps, peak, best):
    """Prints a table of pairs of name and Group; steps are the ms of each step, rates are set against the peak and the best one."""
    cells = []
    for name, g in rows:
        row = [name, f"{g.calls / len(steps):g}", g.ms / len(steps), f"{100 * g.ms / sum(steps):.1f} %"]
        if g.gflop:
            row += [g.gflop / len(steps), g.rate(), f"{100 * g.rate() / peak:.0f} %", f"{100 * g.rate() / best:.0f} %"]
        cells.append(row + [None] * (8 - len(row)))
    compare.print_table(
        [title, "calls/step", "ms/step", "of the step", "GFLOP/step", "GFLOP/s", "of the peak", "of the best"], cells)
    print()


def print_case(case, shown, file, peak):
    steps, groups = read_trace(file)
    total = sum(steps)
    best = max(groups, key=lambda name: groups[name].rate())
    best_rate = groups[best].rate()
    kinds = {kind: Group(kind) for kind in (*CONVOLUTIONS, TOGETHER, *dict.fromkeys(KINDS.values()), REST, OUTSIDE)}
    for g in groups.values():
        kinds[g.kind].add(g.calls, g.ms, g.gflop)
        if g.kind in CONVOLUTIONS:
            kinds[TOGETHER].add(g.calls, g.ms, g.gflop)
    kinds[OUTSIDE].add(0, total - sum(g.ms for g in groups.values()), 0)

    print(f"## {case}\n\n    {shown}\n")
    print(f"{len(steps)} steps, {compare.number(total / len(steps))} ms each, {compare.number(min(steps))} to {compare.number(max(steps))}. The best "
          f"convolution is `{best}`: {compare.number(best_rate)} GFLOP/s, {100 * best_rate / peak:.0f} % of the peak.\n")
    print_rows("kind", kinds.items(), steps, peak, best_rate)
    rows = [(name, g) for name, g in groups.items() if g.kind in CONVOLUTIONS or g.ms >= LEAST * total]
    print_rows("operator", sorted(rows, key=lambda row: -row[1].ms), steps, peak, best_rate)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak", type=pathlib.Path, required=True, metavar="FILE")
    parser.add_argument("--threads", type=int, required=True, help="of the steps")
    parser.add_argument("--load", type=float, default=os.getloadavg()[0], help="the load average before anything was built")
    parser.add_argument("--versions", default="")
    parser.add_argument("traces", nargs="+", metavar="CASE::SHOWN::TRACE")
    args = parser.parse_args()

    one, peak, instructions = read_peak(args.peak, args.threads)
    busy = f", NOT QUIET: above {compare.QUIET}" if args.load > compare.QUIET else ""
    print(f"Machine: {compare.machine()}. Load average before: {args.load}{busy}.\n\nVersions: {args.versions}.\n")
    print(f"Peak: {compare.number(one)} GFLOP/s on one thread, {compare.number(peak)} GFLOP/s on {args.threads}: float32, {instructions}, "
          "operands in registers, the best of many rounds.\n")
    print("GFLOP are those of a convolution as it is defined, two operations for each tap. Convolutions by 3x3 with stride 1 take Winograd's way where "
          "that pays, with a quarter of the multiplications: such a rate may be above the peak. Shares of the best are of the highest rate that a "
          "convolution of the case has. ConvPixels reads bytes, and scales them; GradInput and GradFilter are named by the layer whose "
          f"gradient they are. Layers of one shape are one row; what else takes less than {100 * LEAST:g} % of a step has none.\n")
    for trace in args.traces:
        case, shown, file = trace.split("::")
        print_case(case, shown, pathlib.Path(file), peak)


if __name__ == "__main__":
    main()
