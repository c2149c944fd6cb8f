"""The library of instances: records of the best that is known, and their page."""
