"""One file per solver: from matrix and vectors to values and a bound."""
