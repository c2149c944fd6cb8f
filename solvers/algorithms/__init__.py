"""The papers' algorithms and baselines, specialised exact methods, and brute force."""
