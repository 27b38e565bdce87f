#!/usr/bin/env python3
"""torch_optim.py > torch_optim.h: 50 steps of torch's optimizers and schedulers for tests/test_optimizers.c.

usage: pip install torchdr==0.5; tests/oracle/torch_optim.py > tests/oracle/torch_optim.h

Each optimizer goes down 0.5 sum a (z - b)^2 over 4 points of 2 coordinates in double precision; RiemannianAdam is that of
TorchDR, on the Poincare ball, which counts every step twice: with `once` the count is put right after each step.
"""
import sys

import torch
import torchdr
from torchdr.utils import ManifoldParameter, PoincareBallManifold
from torchdr.utils.radam import RiemannianAdam

STEPS = 50
A = torch.tensor([[0.1, 2.0], [0.7, 1.3], [1.0, 0.4], [1.6, 0.2]], dtype=torch.float64)
B = torch.tensor([[3.0, -1.0], [0.5, 2.0], [-2.0, 0.25], [0.0, -4.0]], dtype=torch.float64)
START = torch.tensor([[-0.25, 0.5], [0.125, -0.375], [0.5, 0.5], [-0.5, -0.0625]], dtype=torch.float64)

# name, class, arguments, scheduler of SCHEDULERS or None
CASES = [
    ("sgd", torch.optim.SGD, dict(lr=0.1), None),
    ("sgd_momentum", torch.optim.SGD, dict(lr=0.1, momentum=0.8), None),
    ("sgd_dampening", torch.optim.SGD, dict(lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.05), None),
    ("sgd_nesterov", torch.optim.SGD, dict(lr=0.1, momentum=0.8, nesterov=True), None),
    ("sgd_linear", torch.optim.SGD, dict(lr=0.1, momentum=0.8), "linear"),
    ("sgd_cosine_nesterov", torch.optim.SGD, dict(lr=0.1, momentum=0.8, nesterov=True), "cosine_again"),
    ("adam", torch.optim.Adam, dict(lr=0.1), None),
    ("adam_all", torch.optim.Adam, dict(lr=0.2, betas=(0.7, 0.95), eps=1e-3, weight_decay=0.1, amsgrad=True), None),
    ("adam_exponential", torch.optim.Adam, dict(lr=0.3), "exponential"),
    ("adamw", torch.optim.AdamW, dict(lr=0.1), None),
    ("adamw_all", torch.optim.AdamW, dict(lr=0.2, betas=(0.8, 0.9), weight_decay=0.3, amsgrad=True), None),
    ("adagrad", torch.optim.Adagrad, dict(lr=0.5), None),
    ("adagrad_all", torch.optim.Adagrad, dict(lr=0.5, lr_decay=0.02, weight_decay=0.1, initial_accumulator_value=0.3), None),
    ("rmsprop", torch.optim.RMSprop, dict(lr=0.02), None),
    ("rmsprop_all", torch.optim.RMSprop, dict(lr=0.02, alpha=0.9, momentum=0.6, weight_decay=0.1, centered=True), "step"),
    ("ball", RiemannianAdam, dict(lr=0.05), "once"),
    ("ball_reference", RiemannianAdam, dict(lr=0.05), None),
    ("ball_rim", RiemannianAdam, dict(lr=5.0), None),
    ("ball_all", RiemannianAdam, dict(lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, amsgrad=True), None),
    ("flat_reference", RiemannianAdam, dict(lr=0.1), "flat"),
]
# name, class, arguments
SCHEDULERS = [
    ("linear", torch.optim.lr_scheduler.LinearLR, {}),
    ("linear_down", torch.optim.lr_scheduler.LinearLR, dict(start_factor=1.0, end_factor=0.0, total_iters=STEPS)),
    ("step", torch.optim.lr_scheduler.StepLR, dict(step_size=15)),
    ("step_half", torch.optim.lr_scheduler.StepLR, dict(step_size=7, gamma=0.5)),
    ("exponential", torch.optim.lr_scheduler.ExponentialLR, dict(gamma=0.93)),
    ("cosine", torch.optim.lr_scheduler.CosineAnnealingLR, dict(T_max=STEPS, eta_min=0.01)),
    ("cosine_again", torch.optim.lr_scheduler.CosineAnnealingLR, dict(T_max=20)),
]
KINDS = {"SGD": 0, "Adam": 1, "AdamW": 2, "Adagrad": 3, "RMSprop": 4, "RiemannianAdam": 5}
KEYS = {"linear": 1, "step": 2, "exponential": 3, "cosine": 4}


def scheduler(name, optimizer):
    for own, made, arguments in SCHEDULERS:
        if own == name:
            return made(optimizer, **arguments)
    return None


def descend(made, arguments, how):
    ball = made is RiemannianAdam and how != "flat"
    z = START.clone()
    z = ManifoldParameter(z, True, PoincareBallManifold(), 1.0) if ball else torch.nn.Parameter(z)
    optimizer = made([z], **arguments)
    by = scheduler(how, optimizer)
    norm = 0
    for _ in range(STEPS):
        z.grad = (A * (z - B)).detach().clone()
        g = z.grad.clone()
        if made is RiemannianAdam:  # the norm is that of the gradient it makes of this one
            g += arguments.get("weight_decay", 0) * z.detach()
            g = g * ((1 - z.detach().square().sum(1, keepdim=True)) / 2) ** 2 if ball else g
        norm = float(g.norm())
        optimizer.step()
        if by:
            by.step()
        if how == "once":
            optimizer.param_groups[0]["step"] -= 1
    return z.detach(), norm


def row(values):
    return "{" + ", ".join(f"{float(v):.17g}" for v in values) + "}"


def main():
    print(f"/* torch_optim.py, torchdr {torchdr.__version__}, torch {torch.__version__.split('+')[0]} */")
    print("/* clang-format off */")
    print(f"enum {{ TORCH_STEPS = {STEPS}, TORCH_POINTS = {len(A)}, TORCH_VALUES = {A.numel()} }};")
    for name, values in (("a", A), ("b", B), ("start", START)):
        print(f"static const double torch_{name}[TORCH_VALUES] = {row(values.ravel())};")
    print("typedef struct torch_case {\n    const char *name, *scheduler;\n    int32_t kind, nesterov, amsgrad, centered, "
          "poincare, reference;\n    double rate, momentum, dampening, weight_decay, beta1, beta2, eps, alpha, lr_decay, "
          "accumulator;\n    double norm; /* of the gradient of the last step */\n    double z[TORCH_VALUES];\n} torch_case;")
    print("static const torch_case torch_cases[] = {")
    for name, made, arguments, how in CASES:
        z, norm = descend(made, arguments, how)
        full = made([torch.nn.Parameter(START.clone())], **arguments).defaults
        beta = full.get("betas", (0, 0))
        by = how if how and how not in ("once", "flat") else None
        ball = made is RiemannianAdam
        whole = [KINDS[made.__name__], int(full.get("nesterov", 0)), int(full.get("amsgrad", 0)), int(full.get("centered", 0)),
                 int(ball and how != "flat"), int(ball and how != "once")]
        real = [full["lr"], full.get("momentum", 0), full.get("dampening", 0), full.get("weight_decay", 0), *beta,
                full.get("eps", 0), full.get("alpha", 0), full.get("lr_decay", 0), full.get("initial_accumulator_value", 0),
                norm]
        print(f'    {{"{name}", "{by or "none"}", {", ".join(map(str, whole))},\n     '
              f'{", ".join(f"{v:.17g}" for v in real)},\n     {row(z.ravel())}}},')
    print("};")
    print("typedef struct torch_schedule {\n    const char *name;\n    int32_t kind;\n    double start_factor, end_factor, "
          "total_iters, step_size, gamma, t_max, eta_min;\n    double rate[TORCH_STEPS]; /* of a rate of 0.1 */\n} torch_schedule;")
    print("static const torch_schedule torch_schedules[] = {")
    for name, made, arguments in SCHEDULERS:
        optimizer = torch.optim.SGD([torch.nn.Parameter(START.clone())], lr=0.1)
        by = made(optimizer, **arguments)
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            by.step()
        keys = ("start_factor", "end_factor", "total_iters", "step_size", "gamma", "T_max", "eta_min")
        real = [float(getattr(by, key, 0)) for key in keys]
        print(f'    {{"{name}", {KEYS[name.split("_")[0]]}, {", ".join(f"{v:.17g}" for v in real)},\n     {row(rates)}}},')
    print("};")


main()
