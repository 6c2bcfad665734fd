"""What is measured: the metrics of each task by their names, and those of a project's own."""
