"""What people see: the table of a terminal, and the curves of a report."""
