"""Benchmarks, run by hand: `python -m benchmarks.pipeline`, `python -m benchmarks.training`."""
