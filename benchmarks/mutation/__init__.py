"""Mutation testing: whether any test notices a small fault in the code that proofs rest on."""
