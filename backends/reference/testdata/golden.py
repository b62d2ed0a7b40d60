"""Writes golden.json, the values that the reference backend is tested against.

Everything is computed in float64 by PyTorch or NumPy, from the published formulas and from PyTorch's own operations; nothing here
knows the Go code. Run it in this folder with: python golden.py
"""

import json

import numpy as np
import torch
import torch.nn.functional as F

random = np.random.default_rng(20200213)
cases = []


def tensor(*shape, mean=0.0, std=1.0):
    # Three decimals: the file stays small, and every number is what it says.
    return torch.tensor(np.round(random.normal(mean, std, shape), 3), dtype=torch.float64, requires_grad=True)


def plain(t):
    t = torch.as_tensor(t).detach()
    return {"shape": list(t.shape), "data": t.flatten().tolist()}


def case(op, inputs, output, **attributes):
    """Records the result and, for a random gradient dy of it, the gradients of all inputs."""
    dy = torch.tensor(np.round(random.normal(size=tuple(output.shape)), 3), dtype=torch.float64)
    grads = torch.autograd.grad(output, inputs, dy)
    cases.append({"op": op, "attr": attributes, "in": [plain(t) for t in inputs], "out": plain(output),
                  "dy": plain(dy), "grads": [plain(t) for t in grads]})


def forward_and_backward():
    for h, w, k, stride, pad in [(5, 4, 1, 1, 0), (5, 7, 3, 1, 1), (6, 7, 3, 2, 1), (9, 8, 7, 2, 3)]:
        x, f = tensor(2, 2, h, w), tensor(3, 2, k, k)
        case("Conv", [x, f], F.conv2d(x, f, stride=stride, padding=pad), stride=stride, pad=pad)
    for shape in [(6, 3), (3, 2, 4, 3)]:
        x, gamma, beta, add = tensor(*shape, mean=4), tensor(shape[1]), tensor(shape[1]), tensor(*shape)
        y = F.relu(F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5) + add)
        case("Normalize", [x, gamma, beta, add], y, eps=1e-5)
    for h, w, k, stride, pad in [(6, 7, 3, 2, 1), (5, 4, 2, 2, 0)]:
        x = tensor(2, 2, h, w)
        case("MaxPool", [x], F.max_pool2d(x, k, stride, pad), k=k, stride=stride, pad=pad)
    x = tensor(2, 3, 4, 5)
    case("AvgPool", [x], F.adaptive_avg_pool2d(x, 1).flatten(1))
    x = tensor(4, 5)
    case("L2Normalize", [x], F.normalize(x, dim=1, eps=1e-12))


def nt_xent():
    """Chen et al. 2020, equation 1: the loss of pair (i, j) is -log(exp(s_ij/t) / sum over k != i of exp(s_ik/t)), s the cosine
    similarity; the mean is over all 2B ordered pairs. The inputs are unit vectors, so the similarity is a dot product."""
    for rows, features, t in [(4, 3, 0.5), (8, 5, 0.1), (6, 4, 1.0)]:
        z = F.normalize(tensor(rows, features), dim=1).detach().requires_grad_()
        s = z @ z.T
        total = 0
        for i in range(rows):
            others = [k for k in range(rows) if k != i]
            total = total - torch.log(torch.exp(s[i, i ^ 1] / t) / torch.exp(s[i, others] / t).sum())
        loss = total / rows
        (grad,) = torch.autograd.grad(loss, [z])
        hits = [max((s[i, k].item(), k) for k in range(rows) if k != i)[1] == i ^ 1 for i in range(rows)]
        spread = np.sqrt(features) * z.detach().numpy().std(axis=0).mean()
        cases.append({"op": "NTXent", "attr": {"temperature": t}, "in": [plain(z)], "out": plain(loss), "grads": [plain(grad)],
                      "accuracy": float(np.mean(hits)), "spread": float(spread)})


def optimizers():
    """Three updates each. LARS is You et al. 2017, in the form that SimCLR's published code has it: weight decay enters the gradient
    before its norm is taken, and the learning rate enters the velocity ("classic momentum"). SGD is that of PyTorch."""
    rates, momentum, decay, trust = [0.3, 0.2, 0.1], 0.9, 0.01, 0.001
    p0 = tensor(3, 4)
    grads = [tensor(3, 4).detach().numpy() for _ in rates]

    p, v, after = p0.detach().numpy().copy(), np.zeros((3, 4)), []
    for lr, g in zip(rates, grads):
        g = g + decay * p
        norm_p, norm_g = np.linalg.norm(p), np.linalg.norm(g)
        ratio = trust * norm_p / norm_g if norm_p > 0 and norm_g > 0 else 1.0
        v = momentum * v + lr * ratio * g
        p = p - v
        after.append(plain(p))
    attr = {"momentum": momentum, "decay": decay, "trust": trust, "rates": rates}
    cases.append({"op": "LARS", "attr": attr, "in": [plain(p0)] + [plain(g) for g in grads], "steps": after})

    p, after = torch.nn.Parameter(p0.detach().clone()), []
    for_pytorch = torch.optim.SGD([p], lr=1, momentum=momentum, weight_decay=decay)
    for lr, g in zip(rates, grads):
        for_pytorch.param_groups[0]["lr"] = lr
        p.grad = torch.tensor(g)
        for_pytorch.step()
        after.append(plain(p))
    cases.append({"op": "SGD", "attr": attr, "in": [plain(p0)] + [plain(g) for g in grads], "steps": after})


def torch_optimizers():
    """SGD with Nesterov's momentum, as the published code has it, and Adam (Kingma & Ba 2015) with the L2 term in the gradient: those
    of PyTorch."""
    rates, momentum, decay = [0.3, 0.2, 0.1, 0.2], 0.9, 0.01
    for op, optimizer in [
        ("Nesterov", lambda p: torch.optim.SGD([p], lr=1, momentum=momentum, weight_decay=decay, nesterov=True)),
        ("Adam", lambda p: torch.optim.Adam([p], lr=1, betas=(momentum, 0.999), eps=1e-8, weight_decay=decay)),
    ]:
        p0, grads = tensor(3, 4), [tensor(3, 4).detach() for _ in rates]
        p, after = torch.nn.Parameter(p0.detach().clone()), []
        o = optimizer(p)
        for lr, g in zip(rates, grads):
            o.param_groups[0]["lr"] = lr
            p.grad = g
            o.step()
            after.append(plain(p))
        attr = {"momentum": momentum, "decay": decay, "rates": rates}
        cases.append({"op": op, "attr": attr, "in": [plain(p0)] + [plain(g) for g in grads], "steps": after})


def pairwise_losses():
    """Chen et al. 2020, table 2, of a view u, its positive v+ and a negative v-, with the sign turned: NT-Logistic, -(log sigmoid(u.v+/t)
    + log sigmoid(-u.v-/t)), and margin triplet, max(u.v- - u.v+ + m, 0); the mean over all triplets. Semi-hard (section 5.1) means
    only the closest of the negatives that are farther than the positive; a view without one keeps what does not depend on it."""
    def nt_logistic(positive, negatives, t):
        loss = -torch.log(torch.sigmoid(positive / t))
        if negatives:
            loss = loss - sum(torch.log(torch.sigmoid(-n / t)) for n in negatives) / len(negatives)
        return loss

    def triplet(positive, negatives, m):
        if not negatives:
            return positive * 0
        return sum(torch.clamp(n - positive + m, min=0) for n in negatives) / len(negatives)

    for op, formula, attribute, values in [("NTLogistic", nt_logistic, "temperature", [1.0, 0.5, 0.1]),
                                           ("Triplet", triplet, "margin", [0.4, 0.8, 1.6])]:
        for (rows, features), value in zip([(4, 3), (10, 3), (6, 4)], values):
            z = F.normalize(tensor(rows, features), dim=1).detach().requires_grad_()
            for semi_hard in [False, True]:
                total = 0
                for i in range(rows):
                    positive = z[i] @ z[i ^ 1]
                    negatives = [z[i] @ z[j] for j in range(rows) if j not in (i, i ^ 1)]
                    if semi_hard:
                        farther = [n for n in negatives if n < positive]
                        negatives = [max(farther, key=lambda n: n.item())] if farther else []
                    total = total + formula(positive, negatives, value)
                loss = total / rows
                (grad,) = torch.autograd.grad(loss, [z])
                cases.append({"op": op, "attr": {attribute: value, "semiHard": semi_hard}, "in": [plain(z)], "out": plain(loss),
                              "grads": [plain(grad)]})


forward_and_backward()
nt_xent()
optimizers()
torch_optimizers()
pairwise_losses()
with open("golden.json", "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
