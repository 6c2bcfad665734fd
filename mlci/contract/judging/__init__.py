"""Judging: files by a contract, values by a schema, datasets beside each other, requests of a server."""
