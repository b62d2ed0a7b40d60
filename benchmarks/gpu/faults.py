"""Brings about what goes wrong on a GPU, and says how pretrain took it, in Markdown: run.sh calls it.

    python3 faults.py DIRECTORY SECONDS FLAGS...     FLAGS are those of pretrain

Each fault should be an error with a status other than 0, and leave a checkpoint from which the run goes on. The status is 1 if one
was not. SECONDS are for all; what does not fit in is named. Runs go to DIRECTORY, which should not exist. Of the environment: ROOM, how
many MiB another process leaves free (256), and TOO_LARGE, flags for a batch that no GPU holds.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

STEPS = 5  # after a signal, and in all short runs
TOO_LARGE = "-batch 32768 -image-size 64"
ATTEMPTS = 2  # with batches that errors name
HOG = """
import sys, torch
free, _ = torch.cuda.mem_get_info()
kept = torch.empty(max(0, free - int(sys.argv[1]) * 2**20), dtype=torch.uint8, device="cuda")
print("ready", flush=True)
sys.stdin.read()
"""


class Unexpected(Exception):
    """Says what went otherwise than it should."""


def last_line(text):
    return (text.strip().splitlines() or ["nothing"])[-1]


class Faults:
    def __init__(self, directory, seconds, flags):
        self.directory, self.flags, self.end = pathlib.Path(directory), flags, time.monotonic() + seconds

    def left(self):
        return max(1, self.end - time.monotonic())

    def command(self, run, *flags):
        return ["bin/pretrain", "-data", "train", "-out", str(self.directory / run), *self.flags, *flags]

    def pretrain(self, run, *flags, env=None):
        """Runs pretrain and returns its status and the last line that it said."""
        done = subprocess.run(self.command(run, *flags), env=env, stderr=subprocess.PIPE, text=True, timeout=self.left())
        return done.returncode, last_line(done.stderr)

    def refused(self, answer, *patterns):
        """Returns the answer's text, which should be an error that has the patterns."""
        status, said = answer
        if status not in (1, 130):
            raise Unexpected(f"status {status}: {said}")
        for pattern in patterns:
            if not re.search(pattern, said):
                raise Unexpected(f"status {status}, without «{pattern}»: {said}")
        return f"status {status}: {said}"

    def good(self, answer):
        status, said = answer
        if status != 0:
            raise Unexpected(f"status {status}: {said}")

    def step(self, run):
        """Returns the step of the run's latest checkpoint, or -1."""
        path = self.directory / run / "latest" / "run.json"
        return json.loads(path.read_text())["step"] if path.exists() else -1

    def no_such_device(self):
        return self.refused(self.pretrain("device", "-device", "cuda:99"), "no GPU 99")

    def wrong_libraries(self):
        """Names a directory that has none, and hides Python's packages."""
        env = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH")}
        status, said = self.pretrain("libraries", "-max-steps", "1", env=env | {"GOCLR_CUDA": "/nowhere", "HOME": "/nowhere"})
        if status == 0:
            return "worked, since the system has CUDA's libraries elsewhere: nothing shown"
        return self.refused((status, said), "/nowhere", "GOCLR_CUDA")

    def batch_too_large(self):
        """Takes the batches that errors name until one works: cuDNN may have a limit too, which is named first."""
        flags, batch, said = os.environ.get("TOO_LARGE", TOO_LARGE).split(), [], []
        while (answer := self.pretrain(f"large-{len(said)}", *flags, *batch, "-max-steps", "1"))[0] != 0:
            said.append(self.refused(answer, "use a smaller batch"))
            if not (found := re.search(r"about (\d+) would fit|of (\d+) views at most", said[-1])):
                raise Unexpected(f"names no batch that fits: {said[-1]}")
            smaller = int(found[1] or found[2]) // 2  # of two views each
            if len(said) > ATTEMPTS or smaller < 1:
                raise Unexpected(f"the batches that are named do not fit: {'; '.join(said)}")
            batch = ["-batch", str(smaller)]
        if not said:
            raise Unexpected(f"{' '.join(flags)} is not too large: name another in TOO_LARGE")
        return f"{'; '.join(said)}. One step with {' '.join(batch)} then worked"

    def stopped(self):
        """Sends SIGINT in the middle of training, and goes on."""
        process = subprocess.Popen(self.command("stopped"), stderr=subprocess.PIPE, text=True)
        log = self.directory / "stopped" / "metrics.jsonl"
        try:
            while not log.exists() or log.read_text().count("\n") < STEPS:
                if process.poll() is not None:
                    break
                if self.left() <= 1:
                    raise subprocess.TimeoutExpired(process.args, 0)
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)  # does nothing if it has ended
            _, text = process.communicate(timeout=self.left())
        finally:
            process.kill()
        said = self.refused((process.returncode, last_line(text)), r"stopped after step \d+", "-resume")
        return f"{said}. {self.goes_on('stopped')}"

    def goes_on(self, run):
        before = self.step(run)
        self.good(self.pretrain(run, "-resume", "-max-steps", str(before + STEPS)))
        if self.step(run) != before + STEPS:
            raise Unexpected(f"resumed at step {before}, the run has a checkpoint of step {self.step(run)}, not {before + STEPS}")
        return f"Resumed from step {before} it reached step {before + STEPS}"

    def filled(self):
        """Goes on with the run that was stopped while PyTorch holds nearly all memory, and then without."""
        before = self.step("stopped")
        if before < 0:
            raise Unexpected("there is no run to go on with")
        hog = subprocess.Popen([sys.executable, "-c", HOG, os.environ.get("ROOM", "256")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if hog.stdout.readline() != "ready\n":
                raise Unexpected("PyTorch could not take the memory")
            said = self.refused(self.pretrain("stopped", "-resume", "-max-steps", str(before + STEPS)), "memory|MEMORY")
        finally:
            hog.kill()
            hog.wait()
        if self.step("stopped") != before:
            raise Unexpected(f"the checkpoint of step {before} is gone: {said}")
        return f"{said}. With the memory free again: {self.goes_on('stopped')}"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    faults = Faults(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
    wrong = 0
    print("| fault | as it should be | seconds | what it said |\n|---|---|--:|---|")
    for name, cause in (("no such GPU, cuda:99", faults.no_such_device), ("GOCLR_CUDA names a wrong directory", faults.wrong_libraries),
                        ("a batch too large", faults.batch_too_large), ("SIGINT while training", faults.stopped),
                        ("another process fills the GPU", faults.filled)):
        start = time.monotonic()
        try:
            verdict, text = "yes", cause()
        except Unexpected as e:
            verdict, text = "NO", str(e)
        except subprocess.TimeoutExpired:
            verdict, text = "NO", "no time was left"
        wrong += verdict != "yes"
        text = text.replace("|", "\\|")
        print(f"| {name} | {verdict} | {time.monotonic() - start:.1f} | {text} |", flush=True)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
