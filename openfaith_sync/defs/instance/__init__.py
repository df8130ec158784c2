"""The classes that dagster.yaml names: storage and the run launcher."""
