"""The long run of the tests that break things: `python -m tests.faults --seed N`.

Further options are pytest's.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest


def main() -> int:
    """Run every test of this folder at its long size; the exit status of pytest."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of every random choice")
    arguments, options = parser.parse_known_args()
    os.environ["TUITRAIN_FAULTS"] = "long"
    os.environ["TUITRAIN_FAULTS_SEED"] = str(arguments.seed)
    print(f"seed {arguments.seed}", flush=True)
    # A test of the long run may take an hour.
    return pytest.main([str(Path(__file__).parent), "--timeout", "7200", *options])


if __name__ == "__main__":
    sys.exit(main())
