"""Jobs on devices: a problem for placewise from another package."""
