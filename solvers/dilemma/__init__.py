"""The methods of DILEMMA: heuristics, and specialised exact ones."""
