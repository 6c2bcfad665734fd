"""What a model costs: from measurements in turn to rulings."""
