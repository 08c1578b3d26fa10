"""Benchmarks: each prints its own ratio against its baseline, measured in the same run."""
