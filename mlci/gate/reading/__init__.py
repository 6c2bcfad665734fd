"""From files to facts: the holdout and the predictions joined, checked, and cut into slices."""
