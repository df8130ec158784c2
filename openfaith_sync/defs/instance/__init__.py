"""What dagster.yaml names: storage and the run launcher."""
