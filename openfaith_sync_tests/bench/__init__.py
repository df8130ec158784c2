"""The benchmark: the engine without Dagster's start-up, against the simulator in a process of its own."""
