"""The language of contracts: from a file of YAML or JSON to a plan of predicates that know nothing of any engine."""
