"""Two contracts beside each other, and one as a page to read."""
