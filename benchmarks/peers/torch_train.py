"""Trains SimCLR in PyTorch as a run of goclr was trained: its recipe, its first weights, its very batches.

    stream -run RUN -steps N | python torch_train.py --first RUN/checkpoints/step-0 --out OUT --steps N

Standard input is what benchmarks/stream writes, with -raw or without. The recipe is that of run.json of the checkpoint --first, of step
0. OUT becomes the directory of a run as simclr/FORMAT.md describes it, with a checkpoint wherever RUN has one, so that `evaluate` and
plot_run.py take it like any other. Where OUT has a checkpoint already, training goes on from it: the stream must begin there (stream
-from). SIGINT and SIGTERM save a checkpoint before they end it, with status 130.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import shutil
import signal
import sys
import threading
import time

import torch

import batches
import tensors
import torch_model

MOMENTUM = "momentum/"
AHEAD = 4  # batches that are read before they are needed
# Fields of the recipe that this script follows. Others that are set are named in a warning: the recipe may not be the same.
KNOWN = {
    "model": {"encoder", "width", "image_size", "head", "head_layers", "projection", "temperature", "mean", "std", "loss", "ones_init"},
    "optimizer": {"name", "learning_rate", "momentum", "weight_decay", "warmup_epochs"},
}


class Recipe:
    """What run.json of a checkpoint says."""

    def __init__(self, info):
        self.info = info
        self.model, self.optimizer = info["config"]["model"], info["config"]["optimizer"]
        self.epochs, self.steps = info["config"]["epochs"], info["steps"]
        self.steps_per_epoch = self.steps // self.epochs
        self.checkpoint_every = int(info["settings"]["checkpoint-every"]) or self.steps_per_epoch
        if self.optimizer["name"] != "sgd":
            sys.exit(f"the run has optimizer {self.optimizer['name']}: this script knows sgd only")
        if self.model.get("loss", "nt-xent") != "nt-xent":
            sys.exit(f"the run has loss {self.model['loss']}: this script knows nt-xent only")
        for part, known in KNOWN.items():
            if others := [f"{k} {v}" for k, v in info["config"][part].items() if k not in known and v]:
                print(f"warning: unknown to this script, and not followed: {part} with {', '.join(others)}", file=sys.stderr)

    def network(self):
        m = self.model
        layers = {"none": 0, "linear": 1, "nonlinear": m["head_layers"]}[m["head"]]
        return torch_model.network(m["encoder"], m["width"], m["image_size"], layers, m["projection"])

    def rate(self, n):
        """The learning rate of step n, counted from 0: linear warm-up, then a half cosine (simclr.Optimizer)."""
        peak, warmup = self.optimizer["learning_rate"], self.optimizer["warmup_epochs"] * self.steps_per_epoch
        if n < warmup:
            return peak * (n + 1) / max(warmup, n + 1)
        progress = (n - warmup) / max(1, self.steps - warmup)
        return peak * (1 + math.cos(math.pi * min(progress, 1))) / 2


class Checkpoints:
    """The directory of a run. Of its checkpoints, backend says what computed them."""

    def __init__(self, out, recipe, backend):
        self.out, self.recipe, self.backend = out, recipe, backend

    def latest(self):
        """Returns the checkpoint to go on from, or None."""
        path = self.out / "latest"
        return path if (path / "run.json").exists() else None

    def load(self, path, net, sgd):
        """Sets weights, running statistics and momentum to those of a checkpoint, and returns its step."""
        weights = tensors.load(path / "weights.safetensors")
        counters = {name for name in net.state_dict() if name.endswith("num_batches_tracked")}  # which goclr does not have
        missing, unexpected = net.load_state_dict(weights, strict=False)
        if (lacking := set(missing) - counters) or unexpected:
            sys.exit(f"{path} is of another network: it lacks {sorted(lacking)} and has besides {unexpected}")
        momentum = tensors.load(path / "momentum.safetensors")
        for name, parameter in net.named_parameters():
            sgd.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum[MOMENTUM + name])
        return json.loads((path / "run.json").read_text())["step"]

    def save(self, step, net, sgd):
        parent = self.out / "checkpoints"
        whole = f"step-{step}"
        aside = parent / f".{whole}-aside"
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(parent / whole, ignore_errors=True)
        aside.mkdir(parents=True)
        weights = {name: t for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}
        momentum = {MOMENTUM + name: sgd.state[p]["momentum_buffer"] for name, p in net.named_parameters()}
        tensors.save(weights, aside / "weights.safetensors")
        tensors.save(momentum, aside / "momentum.safetensors")
        (aside / "run.json").write_text(json.dumps(self.recipe.info | {"step": step, "backend": self.backend}, indent=2))
        aside.rename(parent / whole)
        link(f"checkpoints/{whole}", self.out / "latest")
        link("latest/weights.safetensors", self.out / "weights.safetensors")


def link(target, path):
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.rename(path)


def describe(args):
    """Returns what computes, as run.json has it."""
    mode = f"{args.layout} compiled" if args.compile else args.layout
    backend = {"backend": "torch", "device": args.device, "library": f"PyTorch {torch.__version__} {mode}", "cpu": platform.machine(),
               "threads": torch.get_num_threads()}
    if args.device == "cuda":
        backend["library"] += f" on {torch.cuda.get_device_name()}"
    return backend if args.precision == "fp32" else backend | {"precision": args.precision}


def open_log(path, done):
    """Opens metrics.jsonl for what follows the given step; lines of later ones, whole or not, are removed."""
    lines = path.read_text().splitlines()[:done] if path.exists() else []
    path.write_text("".join(line + "\n" for line in lines))
    return path.open("a", buffering=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=pathlib.Path, required=True, help="the checkpoint of step 0 of goclr's run")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the directory of this run")
    parser.add_argument("--steps", type=int, required=True, help="steps in all")
    parser.add_argument("--layout", choices=torch_model.LAYOUTS, default="channels-last")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=torch_model.PRECISIONS, default="fp32")
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    args = parser.parse_args()
    stopped = threading.Event()
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda *_: stopped.set())

    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU: PyTorch has none that it can use, or was built for the CPU")
    torch.set_num_threads(args.threads)
    autocast = torch_model.set_precision(args.precision)
    recipe = Recipe(json.loads((args.first / "run.json").read_text()))
    net = recipe.network()
    model, optimizer = recipe.model, recipe.optimizer
    objective = torch_model.objective(net, args.layout, model["temperature"], model["mean"], model["std"], compiled=args.compile,
                                      device=args.device, autocast=autocast)
    sgd = torch_model.sgd(net, 0, optimizer["momentum"], optimizer["weight_decay"])
    checkpoints = Checkpoints(args.out, recipe, describe(args))
    done = checkpoints.load(checkpoints.latest() or args.first, net, sgd)
    if not checkpoints.latest():
        checkpoints.save(0, net, sgd)
    log = open_log(args.out / "metrics.jsonl", done)
    # Not sys.stdin: Python would abort at its end if the thread that reads ahead were reading that.
    found, stream = batches.open_stream(open(0, "rb", closefd=False), pinned=args.device == "cuda")
    if found != {"plan_hash": recipe.info["plan_hash"], "from": done}:
        sys.exit(f"the stream has {found}, but this run is at step {done} of plan {recipe.info['plan_hash']}")

    before = time.perf_counter()
    for views in batches.ahead(stream, AHEAD):
        waited = time.perf_counter() - before
        for group in sgd.param_groups:
            group["lr"] = recipe.rate(done)
        sgd.zero_grad(set_to_none=True)
        loss = objective(views.to(args.device, non_blocking=True))
        loss.backward()
        sgd.step()
        value = loss.item()
        if not math.isfinite(value):
            sys.exit(f"step {done + 1}: the loss is {value}")
        done += 1
        took = time.perf_counter() - before
        log.write(json.dumps({
            "step": done, "epoch": done / recipe.steps_per_epoch, "loss": value, "lr": recipe.rate(done - 1),
            "images_per_s": len(views) / 2 / took, "wait": waited / took,
        }) + "\n")
        if done % recipe.checkpoint_every == 0 or done == args.steps:
            checkpoints.save(done, net, sgd)
        before = time.perf_counter()
        if done == args.steps:
            return
        if stopped.is_set():
            break
    if done < args.steps:
        checkpoints.save(done, net, sgd)
        if stopped.is_set():
            print(f"stopped after step {done} of {args.steps}", file=sys.stderr)
            sys.exit(130)
        sys.exit(f"the stream ended after step {done} of {args.steps}")


if __name__ == "__main__":
    main()
