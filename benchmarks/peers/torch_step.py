"""Measures PyTorch's training step of SimCLR, beside benchmarks/step of goclr.

    python torch_step.py [--encoder resnet18] [--width 1] [--images 64] [--size 32] [--variant eager-contiguous]
        [--threads 2] [--steps 5] [--device cpu] [--precision fp32]

Two-layer head with batch normalisation, NT-Xent, SGD with momentum: one forward pass over both views of all
images. The result is one line in the format of Go's benchmarks; one operation is one step, and ms/step is the median. Two
steps come before, which is when torch.compile compiles. start-MiB is the resident memory with Python and PyTorch loaded and nothing
made, steps-MiB the highest while steps are measured.

On a GPU, --device cuda, the precision is fp32, tf32 or bf16 (autocast). gpu-MiB is what
the GPU has in use besides, as nvidia-smi has it, PyTorch's reserve included; gpu-tensors-MiB is the most that tensors took.
"""

import argparse
import statistics
import subprocess
import sys
import time

import torch

import torch_model

TEMPERATURE = 0.5
WARM_UPS = 2
MIB = 1 << 20
VARIANTS = [f"{mode}-{layout}" for mode in ("eager", "compile") for layout in torch_model.LAYOUTS]


def memory(field):
    """Returns VmRSS, what is resident now, or VmHWM, the highest since reset_peak, in MiB."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":")) / 1024


def reset_peak():
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def memory_of_gpu():
    """Returns how much of the memory of all GPUs is in use, in MiB, as nvidia-smi has it, or 0 where it says no number."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        return sum(map(float, subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", choices=torch_model.ARCHITECTURES, default="resnet18")
    parser.add_argument("--width", type=float, default=1)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=32, help="side of a view in pixels")
    parser.add_argument("--variant", choices=VARIANTS, default=VARIANTS[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=torch_model.PRECISIONS, default="fp32")
    args = parser.parse_args()

    on_gpu = args.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        sys.exit("no GPU: PyTorch has none that it can use, or was built for the CPU")
    if not on_gpu and args.precision != "fp32":
        parser.error("on the CPU the precision is fp32")
    autocast = torch_model.set_precision(args.precision)
    started, used = memory("VmRSS"), memory_of_gpu() if on_gpu else 0
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    mode, layout = args.variant.split("-", 1)
    net = torch_model.network(args.encoder, args.width, args.size)
    objective = torch_model.objective(net, layout, TEMPERATURE, compiled=mode == "compile", device=args.device, autocast=autocast)
    sgd = torch_model.sgd(net, rate=0.05, momentum=0.9, weight_decay=5e-4)
    views = torch.randint(256, (2 * args.images, args.size, args.size, 3), dtype=torch.uint8)
    if on_gpu:
        views = views.pin_memory()  # as a loader of batches would have them

    def step():
        sgd.zero_grad(set_to_none=True)
        loss = objective(views.to(args.device, non_blocking=True))
        loss.backward()
        sgd.step()
        return loss.item()

    for _ in range(WARM_UPS):
        step()
    reset_peak()
    times, cpu_start = [], time.process_time()
    for _ in range(args.steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu_start) / len(times)
    mean, median = statistics.mean(times), statistics.median(times)
    width = "" if args.width == 1 else f"-width{args.width:g}"
    subject, gpu = f"torch-{args.variant}", ""
    if on_gpu:
        subject += f"-{args.precision}"
        gpu = f" {memory_of_gpu() - used:.0f} gpu-MiB {torch.cuda.max_memory_allocated() / MIB:.0f} gpu-tensors-MiB"
    print(f"BenchmarkStep/{args.encoder}{width}-{args.size}px/{subject} {len(times)} {1e9 * mean:.0f} ns/op "
          f"{1e3 * cpu:.0f} cpu-ms/step {1e3 * median:.3f} ms/step {args.images / median:.1f} images/s "
          f"{started:.0f} start-MiB {memory('VmHWM'):.0f} steps-MiB{gpu}")


if __name__ == "__main__":
    main()
