"""mlci.yaml: its types, its JSON Schema, reading it, and showing what is wrong with it."""

from mlci.config.load import Project, find, load, load_gate
from mlci.config.model import Config
from mlci.config.reference import reference
from mlci.config.render import render
from mlci.config.schema import schema

__all__ = ["Config", "Project", "find", "load", "load_gate", "reference", "render", "schema"]
