"""What data is like: a first contract, and a reference profile."""
