"""Versions that take traffic, a little at a time, and are taken back when they hurt."""

from mlci.deploy.controller import Status, deploy, status, stop
from mlci.deploy.outcome import Event, Outcome, Request

__all__ = ["Event", "Outcome", "Request", "Status", "deploy", "status", "stop"]
