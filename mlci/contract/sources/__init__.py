"""Data wherever it is, as files."""
