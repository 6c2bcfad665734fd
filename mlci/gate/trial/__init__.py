"""Can this gate say no? Planted models that it has to judge right."""
