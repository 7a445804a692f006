"""Benchmarks: each runs a peer beside it in the same run, so that what counts is a ratio and not this machine."""
