"""Runs benchmark programs in turn, again and again, and prints a table of medians: run_peers.sh and run_step.sh call it.

    python3 compare.py --rounds 3 --units images/s images/cpu-s --over goclr --commands SHOWN::COMMAND ...

Each command prints lines in the format of Go's benchmarks, BenchmarkKind/case/subject-CORES N ... VALUE UNIT, where -1 is left
out. Running the programs in turn spreads whatever else the machine does over all of them. Ratios are of medians: over the subjects
of --over in the same case and, with --cores, on as many cores; and over the same subject on one core. With --best PREFIX they are over
whichever subject of the case whose name begins with PREFIX has the least of the first unit, which is set in bold. On a busy machine the
units of CPU time are the steadier ones: time that other programs took does not count in them.

With --go-on a command that fails is left out of what follows, and named under the table; with --within SECONDS none begins or goes on
later, and the table has the rounds until then. Either way the status is 1 if some command never gave a result.
"""

import argparse
import os
import re
import shlex
import statistics
import subprocess
import sys
import threading
import time

QUIET = 0.5  # the load average up to which a machine counts as quiet
PEAK = "peak RSS, MiB"
LINE = re.compile(r"^Benchmark\w+/(?P<case>\S+)/(?P<subject>\S+?)(?:-(?P<cores>\d+))?\s+\d+\s")


class Failure(Exception):
    """Says which command failed, and how."""


def run(command, limit, errors):
    """Returns what a command prints, and its peak resident memory in MiB.

    It is killed after limit seconds, if that is not None. Its standard error goes to errors, a file of package subprocess.
    """
    process = subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=errors, text=True)
    timer = threading.Timer(limit or 0, process.kill)
    if limit is not None:
        timer.start()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    if status != 0:
        raise Failure(f"{command}: status {os.waitstatus_to_exitcode(status)}\n{output}")
    return output, usage.ru_maxrss / 1024


def parse(output, cores):
    """Yields the key of a row, (case, subject) or, with cores, (case, subject, cores), and the values by unit, for each benchmark."""
    for line in output.splitlines():
        if match := LINE.match(line):
            key = (match["case"], match["subject"])
            values = {unit: float(value) for value, unit in re.findall(r"([0-9.e+-]+) (\S+)", line[match.end():])}
            yield key + (int(match["cores"] or 1),) if cores else key, values


def number(x):
    return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}" if x < 100 else f"{x:.4g}"


def machine():
    with open("/proc/cpuinfo") as f:
        info = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in f)}
    with open("/etc/os-release") as f:
        system = re.search(r'^PRETTY_NAME="(.*)"', f.read(), re.M)[1]
    cpu = f"{info.get('model name')}, family {info.get('cpu family')} model {info.get('model')}"
    return f"{cpu}, {os.cpu_count()} cores; {system}, Linux {os.uname().release}"


def print_table(titles, rows):
    """Prints a table in Markdown, text to the left and numbers to the right."""
    print("| " + " | ".join(titles) + " |")
    print("|" + "".join("---|" if t in ("case", "subject", "command", "kind", "operator") else "--:|" for t in titles))
    for row in rows:
        print("| " + " | ".join("" if v is None else v if isinstance(v, str) else number(v) for v in row) + " |")


def print_results(rows, args):
    """Prints medians, ranges and ratios, and means of the further units."""
    titles = ["case", "subject", *(["cores"] if args.cores else [])]
    for unit in args.units:
        titles += [f"{unit}, median", "lowest to highest", *(f"/ {subject}" for subject in args.over)]
        if args.best:
            titles.append(f"/ best {args.best}")
        if args.cores:
            titles.append("/ one core")
    medians = {key: {u: statistics.median(r[u] for r in rounds) for u in args.units} for key, (_, rounds) in rows.items()}
    best = best_of(medians, args) if args.best else {}
    cells = []
    for key, (shown, rounds) in rows.items():
        row = [*key]
        if key in best.values():
            row[1] = f"**{row[1]}**"
        for unit in args.units:
            series, median = [r[unit] for r in rounds], medians[key][unit]
            row += [median, f"{number(min(series))} to {number(max(series))}"]
            bases = [(key[0], subject, *key[2:]) for subject in args.over] + [(*key[:2], 1)] * args.cores
            if args.best:
                bases.insert(len(args.over), best.get((key[0], *key[2:])))
            row += [ratio(median, medians.get(base, {}).get(unit)) for base in bases]
        row += [statistics.mean(r[u] for r in rounds) if all(u in r for r in rounds) else None for u in args.shares]
        cells.append([*row, round(max(r[PEAK] for r in rounds)), f"`{shown}`"])
    print_table([*titles, *args.shares, PEAK, "command"], cells)


def best_of(medians, args):
    """Returns for each case, and number of cores, the key of the subject of --best with the lowest median of the first unit."""
    best = {}
    for key, values in sorted(medians.items(), key=lambda row: row[1][args.units[0]]):
        if key[1].startswith(args.best):
            best.setdefault((key[0], *key[2:]), key)
    return best


def ratio(value, base):
    return value / base if base else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", nargs="+", required=True)
    parser.add_argument("--over", nargs="+", default=[], metavar="SUBJECT", help="what the ratios are over")
    parser.add_argument("--best", metavar="PREFIX", help="mark the best of these subjects; a ratio over it")
    parser.add_argument("--cores", action="store_true", help="CORES make another row, which is compared with one core")
    parser.add_argument("--shares", nargs="+", default=[], metavar="UNIT", help="further units, of which not every subject has a value")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--load", type=float, default=os.getloadavg()[0], help="the load average before anything was built")
    parser.add_argument("--versions", default="")
    parser.add_argument("--go-on", action="store_true", help="measure the others where a command fails")
    parser.add_argument("--within", type=float, metavar="SECONDS", help="end after so long, with the rounds until then")
    parser.add_argument("--commands", nargs="+", metavar="SHOWN::COMMAND", help="what the table shows, and what is run")
    args = parser.parse_args()

    if args.load > QUIET:
        print(f"warning: the load average is {args.load} before the start: other programs are running", file=sys.stderr)
    load, failed, gave = [], {}, set()
    start = time.monotonic()
    rows = {}  # by case, subject and cores: what is shown, and of each round the values and the memory
    for i in range(args.rounds):
        for pair in args.commands:
            shown, command = pair.split("::")
            left = None if args.within is None else start + args.within - time.monotonic()
            if shown in failed or left is not None and left <= 0:
                continue
            try:
                output, peak = run(command, left, subprocess.STDOUT if args.go_on else None)
                found = [(key, values) for key, values in parse(output, args.cores) if all(u in values for u in args.units)]
                if not found:
                    raise Failure(f"{command}: printed no {' and '.join(args.units)}\n{output}")
            except Failure as e:
                if left is not None and time.monotonic() >= start + args.within:
                    continue
                if not args.go_on:
                    sys.exit(str(e))
                print(e, file=sys.stderr)
                failed[shown] = str(e)
                continue
            load.append(os.getloadavg()[0])
            gave.add(shown)
            for line in output.splitlines():
                if "warning: " in line:
                    print(line.strip(), file=sys.stderr)
            for key, values in found:
                measured = ", ".join(f"{number(values[u])} {u}" for u in args.units)
                print(f"round {i + 1} of {args.rounds}: {' '.join(map(str, key))}: {measured}", file=sys.stderr)
                rows.setdefault(key, (shown, []))[1].append(values | {PEAK: peak})

    print(f"Machine: {machine()}.\n\nVersions: {args.versions}.\n")
    busy = f", NOT QUIET: above {QUIET}" if args.load > QUIET else ""
    print(f"Rounds: {args.rounds}, in turn. Load average before: {args.load}{busy}; meanwhile: {min(load, default=0):.1f} to {max(load, default=0):.1f}.\n")
    if rows:
        print_results(rows, args)
    for shown in (pair.split("::")[0] for pair in args.commands):
        if shown in failed:
            print(f"\nFailed: `{shown}`\n\n" + "\n".join("    " + line for line in failed[shown].splitlines()[-5:]))
        elif shown not in gave:
            print(f"\nNo time was left for `{shown}`.")
    if args.within is not None and time.monotonic() >= start + args.within:
        print(f"\nTime ended after {args.within:.0f} s: not every subject has all rounds.")
    sys.exit(len(gave) < len(args.commands))


if __name__ == "__main__":
    main()
