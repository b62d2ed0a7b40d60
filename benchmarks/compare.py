"""Runs benchmark programs in turn, again and again, and prints a table of medians: run_datapath.sh and run_step.sh call it.

    python3 compare.py --rounds 3 --units images/s images/cpu-s --commands SHOWN::COMMAND ...

Each command prints lines in the format of Go's benchmarks, BenchmarkKind/case/subject N ... VALUE UNIT. Running the programs
in turn spreads whatever else the machine does over all of them. Ratios are over the first subject of the case. On a busy
machine the units of CPU time are the steadier ones: time that other programs took does not count in them.
"""

import argparse
import os
import re
import shlex
import statistics
import subprocess
import sys

LINE = re.compile(r"^Benchmark\w+/(?P<case>\S+)/(?P<subject>\S+?)(?:-\d+)?\s+\d+\s")


def run(command):
    """Returns what a command prints, and its peak resident memory in MiB."""
    process = subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command}: status {os.waitstatus_to_exitcode(status)}\n{output}")
    return output, usage.ru_maxrss / 1024


def parse(output, units):
    """Yields ((case, subject), values) for each line of a benchmark that has all units."""
    for line in output.splitlines():
        match = LINE.match(line)
        values = [re.search(rf"\s([0-9.]+) {re.escape(unit)}(?:\s|$)", line) for unit in units]
        if match and all(values):
            yield (match["case"], match["subject"]), [float(v[1]) for v in values]


def number(x):
    return f"{x:,.0f}" if x >= 1000 else f"{x:.4g}"


def machine():
    with open("/proc/cpuinfo") as f:
        info = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in f)}
    with open("/etc/os-release") as f:
        system = re.search(r'^PRETTY_NAME="(.*)"', f.read(), re.M)[1]
    cpu = f"{info.get('model name')}, family {info.get('cpu family')} model {info.get('model')}"
    return f"{cpu}, {os.cpu_count()} cores; {system}, Linux {os.uname().release}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--versions", default="")
    parser.add_argument("--commands", nargs="+", metavar="SHOWN::COMMAND", help="what the table shows, and what is run")
    args = parser.parse_args()

    rows = {}  # by case and subject: what is shown, and of each round the values and the memory
    load = [os.getloadavg()[0]]
    for i in range(args.rounds):
        for pair in args.commands:
            shown, command = pair.split("::")
            output, peak = run(command)
            load.append(os.getloadavg()[0])
            found = list(parse(output, args.units))
            if not found:
                sys.exit(f"{command}: printed no {' and '.join(args.units)}\n{output}")
            for key, values in found:
                measured = ", ".join(f"{number(v)} {u}" for v, u in zip(values, args.units))
                print(f"round {i + 1} of {args.rounds}: {key[0]} {key[1]}: {measured}", file=sys.stderr)
                rows.setdefault(key, (shown, []))[1].append([*values, peak])

    print(f"Machine: {machine()}.\n\nVersions: {args.versions}.\n")
    print(f"Rounds: {args.rounds}, in turn. Load average meanwhile: {min(load):.1f} to {max(load):.1f}.\n")
    columns = "".join(f" {u}, median | lowest to highest | ratio |" for u in args.units)
    print(f"| case | subject |{columns} peak RSS, MiB | command |")
    print("|---|---|" + "--:|--:|--:|" * len(args.units) + "--:|---|")
    for case in dict.fromkeys(case for case, _ in rows):
        base = None
        for (_, subject), (shown, rounds) in ((k, r) for k, r in rows.items() if k[0] == case):
            *series, peaks = zip(*rounds)
            medians = [statistics.median(s) for s in series]
            base = base or medians
            cells = "".join(f" {number(m)} | {number(min(s))} to {number(max(s))} | {m / b:.3g} |"
                            for m, s, b in zip(medians, series, base))
            print(f"| {case} | {subject} |{cells} {max(peaks):.0f} | `{shown}` |")


if __name__ == "__main__":
    main()
