"""What fewer bits do to a real model: SmolLM2-135M's weights, errors, losses, and the table that instances take."""
