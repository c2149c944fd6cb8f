"""What a method claims, and what is left of it after verification: the ground that all methods stand on."""
