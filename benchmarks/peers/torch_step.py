"""Measures PyTorch's training step of SimCLR on the CPU, eager, beside benchmarks/step of goclr.

    python torch_step.py [--width 1] [--layout contiguous] [--threads 2] [--steps 5]

ResNet-18 with the small stem, two-layer head with batch normalisation, NT-Xent, SGD with momentum: one forward pass over
the 128 views of 64 images of 32 pixels. The result is one line in the format of Go's benchmarks; one operation is one
step, and ms/step is the median.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock

IMAGES = 64
TEMPERATURE = 0.5
WARM_UPS = 2


def conv(channels_in, channels, kernel, stride):
    return nn.Conv2d(channels_in, channels, kernel, stride, (kernel - 1) // 2, bias=False)


def resnet18(width):
    """torchvision's ResNet-18 at another width, which torchvision's own class does not offer."""
    channels = int(64 * width)
    layers = [conv(3, channels, 3, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    inside = channels
    for i in range(4):
        outside = channels << i
        for stride in (1 if i == 0 else 2, 1):
            shortcut = None
            if stride != 1:
                shortcut = nn.Sequential(conv(inside, outside, 1, stride), nn.BatchNorm2d(outside))
            layers.append(BasicBlock(inside, outside, stride, shortcut))
            inside = outside
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    net = nn.Sequential(*layers)
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, BasicBlock):
            nn.init.zeros_(m.bn2.weight)
    return net, inside


class NormWithoutBeta(nn.BatchNorm1d):
    def __init__(self, features):
        super().__init__(features)
        self.bias = None


def model(width):
    encoder, dim = resnet18(width)
    head = nn.Sequential(
        nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(inplace=True),
        nn.Linear(dim, 128, bias=False), NormWithoutBeta(128),
    )
    for m in head:
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=0.01)
    return nn.Sequential(encoder, head)


def ntxent(z):
    """The mean over all views; rows 2i and 2i+1 are the views of image i."""
    z = F.normalize(z)
    logits = z @ z.T / TEMPERATURE
    logits.fill_diagonal_(float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(z)) ^ 1)


def optimizer(net):
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0}]
    return torch.optim.SGD(groups, lr=0.05, momentum=0.9)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=1)
    parser.add_argument("--layout", choices=["contiguous", "channels-last"], default="contiguous")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    layout = torch.channels_last if args.layout == "channels-last" else torch.contiguous_format
    net = model(args.width).to(memory_format=layout)
    sgd = optimizer(net)
    views = torch.randint(256, (2 * IMAGES, 32, 32, 3), dtype=torch.uint8)

    def step():
        x = (views.permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=layout)
        sgd.zero_grad(set_to_none=True)
        loss = ntxent(net(x))
        loss.backward()
        sgd.step()
        return loss.item()

    for _ in range(WARM_UPS):
        step()
    times, cpu_start = [], time.process_time()
    for _ in range(args.steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu_start) / len(times)
    mean, median = statistics.mean(times), statistics.median(times)
    name = f"BenchmarkStep/resnet18-width{args.width:g}/torch-{args.layout}"
    print(f"{name} {len(times)} {1e9 * mean:.0f} ns/op {1e3 * cpu:.0f} cpu-ms/step {1e3 * median:.3f} ms/step")


if __name__ == "__main__":
    main()
