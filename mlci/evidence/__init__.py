"""Receipts, policy and history: what was done, by whom, and what it allows."""
