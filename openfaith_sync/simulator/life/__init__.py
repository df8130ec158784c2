"""What happens in a church while the simulator runs."""
