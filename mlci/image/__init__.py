"""Images without a daemon: built into a store, unpacked from it."""

from mlci.image.build import Built, BuiltLayer, ImageSpec, build
from mlci.image.extract import UnsafeLayer
from mlci.image.unpack import Unpacked, unpack

__all__ = ["Built", "BuiltLayer", "ImageSpec", "Unpacked", "UnsafeLayer", "build", "unpack"]
