"""Groups of rows judged apart, and the search for the worst of them."""
