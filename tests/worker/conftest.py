"""Fixtures for tests of a worker's work."""

from tests.train.conftest import runs

__all__ = ["runs"]
