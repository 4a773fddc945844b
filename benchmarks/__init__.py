"""Benchmarks of tuitrain against what a user would write or install instead.

Each is one command, `python -m benchmarks.NAME`; see README.md in this folder.
"""
