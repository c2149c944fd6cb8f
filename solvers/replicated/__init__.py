"""Solvers of replicated throughput."""
