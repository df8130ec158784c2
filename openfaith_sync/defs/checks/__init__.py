"""Asset checks: what is wrong with each church, shown on its partition."""
