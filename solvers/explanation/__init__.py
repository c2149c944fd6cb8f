"""Why an answer is what it is, found by solving changed instances."""
