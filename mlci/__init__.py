"""CI/CD for machine learning: from a data contract to a canary, in one config file."""
