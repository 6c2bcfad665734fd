"""Registries: the OCI distribution API 1.1 as a `Store`."""

from mlci.store.registry.client import Patience
from mlci.store.registry.reference import Reference, Registry, parse_reference
from mlci.store.registry.remembered import Remembered
from mlci.store.registry.store import RegistryStore

__all__ = ["Patience", "Reference", "Registry", "RegistryStore", "Remembered", "parse_reference"]
