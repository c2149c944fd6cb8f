"""Certificates of bounds, for a program that shares nothing with the package: see docs/certificates.md."""
