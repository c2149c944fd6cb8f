"""How a method is run: its parameters, a process of its own, a statement's way through a back-end."""
