"""Models and images: taken into a store without a daemon, and unpacked from it."""

from mlci.image.base import Base, find_base
from mlci.image.build import Built, BuiltLayer, ImageSpec, build
from mlci.image.extract import UnsafeLayer
from mlci.image.modelpack import modelpack
from mlci.image.platforms import host_platform
from mlci.image.tree import files_of, get_tree, put_tree
from mlci.image.unpack import Unpacked, run_config, unpack

__all__ = [
    "Base",
    "Built",
    "BuiltLayer",
    "ImageSpec",
    "Unpacked",
    "UnsafeLayer",
    "build",
    "files_of",
    "find_base",
    "get_tree",
    "host_platform",
    "modelpack",
    "put_tree",
    "run_config",
    "unpack",
]
