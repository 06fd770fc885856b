"""Benchmarks: throughput and latency of the service on this machine."""
