"""Reads directories of runs, as simclr/FORMAT.md describes them, for summary.py and curves.py. It needs Python alone."""

import json
import pathlib


def records(run):
    """Returns the records of training steps, in order."""
    path = pathlib.Path(run) / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [r for r in map(json.loads, lines) if "loss" in r]


def losses(run):
    """Returns the loss by step."""
    return {r["step"]: r["loss"] for r in records(run)}


def checkpoints(run):
    """Returns the checkpoints of a run by step, in order."""
    found = {int(p.name[5:]): p for p in pathlib.Path(run).glob("checkpoints/step-*") if (p / "run.json").exists()}
    return dict(sorted(found.items()))


def info(run):
    """Returns what run.json says of the latest checkpoint; there is one of step 0 in every run that began."""
    return json.loads((pathlib.Path(run) / "latest" / "run.json").read_text())


def steps_per_epoch(run):
    latest = info(run)
    return latest["steps"] // latest["config"]["epochs"]


def scores(path):
    """Returns what benchmarks/score printed, by step."""
    path = pathlib.Path(path)
    lines = path.read_text().splitlines() if path.exists() else []
    return {r["step"]: r for r in map(json.loads, lines)}
