"""The plan as DuckDB SQL, and what comes of running it over files."""
