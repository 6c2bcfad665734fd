"""Deployments with real Envoy and real servers."""

from __future__ import annotations

from .conftest import Site, answer, canary
