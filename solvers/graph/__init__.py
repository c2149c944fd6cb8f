"""Solvers of graph throughput."""
