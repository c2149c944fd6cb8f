"""Other tools' files as instances: models' configurations, profiles, graphs. Nothing is downloaded."""
