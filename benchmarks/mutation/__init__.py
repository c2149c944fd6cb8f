"""Mutation testing: does any test notice a small fault in the code that proofs rest on?"""
