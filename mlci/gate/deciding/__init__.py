"""From numbers to a verdict: intervals, tests, families of tests, and what the rows can tell at all."""
