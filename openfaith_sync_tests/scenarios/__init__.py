"""Whole deployments for some minutes: the daemon, the receiver and many simulated churches."""
