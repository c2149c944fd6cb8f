"""The methods of head-level placement: the papers' own, heuristics, and specialised exact ones."""
