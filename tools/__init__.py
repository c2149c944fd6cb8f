"""Programs of their own, which import nothing of the package."""
