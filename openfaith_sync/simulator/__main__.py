"""``python -m openfaith_sync.simulator pco --people 1000``."""

from openfaith_sync.simulator.server.command import simulate

simulate(prog_name="python -m openfaith_sync.simulator")
