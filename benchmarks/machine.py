"""What the figures are taken on: machine, versions, and its matrix products per second.

python -m benchmarks.machine
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time

from benchmarks.options import Options, make_parser, to_options
from benchmarks.results import Machine, save
from benchmarks.statistics import estimate_median

_PACKAGES = [
    "tuitrain",
    "torch",
    "torchvision",
    "numpy",
    "tensorboardX",
    "typer",
    "textual",
    "textual-plotext",
    "lightning",
    "pytorch-ignite",
    "keras",
    "skorch",
]
_SIZE = {"cpu": 2048, "cuda": 8192}
_REPEATS = 15


def main() -> None:
    """Describe the machine."""
    options = to_options(make_parser(__doc__ or "").parse_args())
    machine = Machine(device=options.device, facts=describe_machine(options))
    save(options.results, "machine", machine)
    for name, value in machine.facts.items():
        print(f"{name}: {value}")


def describe_machine(options: Options) -> dict[str, str]:
    """Facts in words."""
    import psutil

    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    from tui_trainer.train.hardware import device_title

    facts = {
        "processor": device_title(torch.device("cpu")),
        "cores": f"{os.cpu_count()}, of which {options.threads} used",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
    }
    if options.device == "cuda":
        facts["GPU"] = device_title(torch.device("cuda", 0))
    facts["system"] = f"{platform.system()} {platform.release()}, {platform.machine()}"
    facts["Python"] = platform.python_version()
    facts["versions"] = ", ".join(_versions())
    facts["single-precision matrix product"] = _measure_products(options)
    facts["measured on"] = time.strftime("%Y-%m-%d", time.gmtime())
    return facts


def _versions() -> list[str]:
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    return versions


def _measure_products(options: Options) -> str:
    """GFLOP/s of a square product, in words."""
    import torch

    torch.set_num_threads(options.threads)
    size = _SIZE[options.device]
    first, second = (torch.rand(size, size, device=options.device) for _ in range(2))
    rates = []
    for _ in range(_REPEATS):
        since = time.perf_counter()
        torch.mm(first, second)
        if options.device == "cuda":
            torch.cuda.synchronize()
        rates.append(2 * size**3 / (time.perf_counter() - since) / 1e9)
    # The first ones warm up.
    rate = estimate_median(rates[3:])
    return f"{rate.median:.0f} GFLOP/s ({rate.low:.0f} … {rate.high:.0f}), {size}×{size}"


if __name__ == "__main__":
    main()
