"""What this machine does, measured: the figures of a device in a cluster file."""
