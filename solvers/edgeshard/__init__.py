"""The methods of EdgeShard's problems: the paper's own, heuristics, and specialised exact ones."""
