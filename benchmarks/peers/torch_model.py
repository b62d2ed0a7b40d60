"""SimCLR in PyTorch, as goclr has it: torch_step.py measures it and torch_train.py trains it.

Parameters and running statistics have the names of goclr's weights.safetensors, which are torchvision's for the encoder.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

SMALL_STEM = 64  # largest image whose encoder begins with a 3x3 convolution and does not pool
ARCHITECTURES = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


PRECISIONS = ("fp32", "tf32", "bf16")


def set_precision(precision):
    """Sets that of products in float32 for the whole program, and returns the type to compute in by autocast, or None."""
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    torch.backends.cudnn.benchmark = True  # take the fastest algorithm of each convolution
    return torch.bfloat16 if precision == "bf16" else None


def conv(channels_in, channels, kernel, stride):
    return nn.Conv2d(channels_in, channels, kernel, stride, (kernel - 1) // 2, bias=False)


def encoder(name, width, size):
    """Returns the layers of a ResNet at any width, which torchvision's own class does not offer, and its features' length."""
    block, counts = ARCHITECTURES[name]
    inside = int(64 * width)
    small = size <= SMALL_STEM
    layers = OrderedDict(
        conv1=conv(3, inside, 3, 1) if small else conv(3, inside, 7, 2),
        bn1=nn.BatchNorm2d(inside),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.Identity() if small else nn.MaxPool2d(3, 2, 1),
    )
    for i, count in enumerate(counts):
        planes = int(64 * width) << i
        blocks = []
        for j in range(count):
            stride = 2 if i > 0 and j == 0 else 1
            outside, shortcut = planes * block.expansion, None
            if stride != 1 or inside != outside:
                shortcut = nn.Sequential(conv(inside, outside, 1, stride), nn.BatchNorm2d(outside))
            blocks.append(block(inside, planes, stride, shortcut))
            inside = outside
        layers[f"layer{i + 1}"] = nn.Sequential(*blocks)
    layers.update(avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    return layers, inside


class NormWithoutBeta(nn.BatchNorm1d):
    def __init__(self, features):
        super().__init__(features)
        self.bias = None


def head(features, layers, projection):
    """Returns the projection head, whose last normalisation has no beta."""
    modules = OrderedDict()
    for i in range(1, layers + 1):
        last = i == layers
        width = projection if last else features
        modules[f"linear{i}"] = nn.Linear(features, width, bias=False)
        modules[f"bn{i}"] = NormWithoutBeta(width) if last else nn.BatchNorm1d(width)
        if not last:
            modules[f"relu{i}"] = nn.ReLU(inplace=True)
    return nn.Sequential(modules)


def network(name, width, size, head_layers=2, projection=128):
    """Returns encoder and head with first values from the distributions that goclr draws its own from."""
    layers, features = encoder(name, width, size)
    net = nn.Sequential(OrderedDict(layers, projection=head(features, head_layers, projection)))
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=0.01)
        elif isinstance(m, BasicBlock):
            nn.init.zeros_(m.bn2.weight)
        elif isinstance(m, Bottleneck):
            nn.init.zeros_(m.bn3.weight)
    return net


def ntxent(z, temperature):
    """The mean over all views; rows 2i and 2i+1 are the views of image i."""
    z = F.normalize(z)
    logits = z @ z.T / temperature
    logits.fill_diagonal_(float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(z), device=z.device) ^ 1)


def sgd(net, rate, momentum, weight_decay):
    """Weight decay pulls the weights of convolutions and dense layers, neither gammas nor betas."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0}]
    return torch.optim.SGD(groups, lr=rate, momentum=momentum)


def objective(net, layout, temperature, mean=(0, 0, 0), std=(1, 1, 1), compiled=False, device="cpu", autocast=None):
    """Returns the loss as a function of views, uint8 [2B,H,W,3], in one forward pass; net takes device and layout as a side effect.

    The network computes in the type of autocast, if there is one; the loss in float32.
    """
    net.to(device=device, memory_format=LAYOUTS[layout])
    normalized = any(mean) or set(std) != {1}
    mean, std = (torch.tensor(x, dtype=torch.float32, device=device).view(3, 1, 1) for x in (mean, std))

    def loss(views):
        x = views.permute(0, 3, 1, 2).float() / 255
        if normalized:
            x = (x - mean) / std
        with torch.autocast(device, dtype=autocast, enabled=autocast is not None):
            z = net(x.contiguous(memory_format=LAYOUTS[layout]))
        return ntxent(z.float(), temperature)

    return torch.compile(loss) if compiled else loss
