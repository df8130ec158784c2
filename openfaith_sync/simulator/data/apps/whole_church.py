"""Fill the apps of a whole church, and make parents say of what is below them what is true."""

from openfaith_sync.simulator.data.apps.calendar import make_calendar
from openfaith_sync.simulator.data.apps.check_ins import make_check_ins
from openfaith_sync.simulator.data.apps.giving import make_giving
from openfaith_sync.simulator.data.apps.groups import make_group_life
from openfaith_sync.simulator.data.apps.people import make_people_life
from openfaith_sync.simulator.data.apps.publishing import make_publishing
from openfaith_sync.simulator.data.apps.registrations import make_registrations
from openfaith_sync.simulator.data.apps.services import make_services
from openfaith_sync.simulator.data.filling import Filling

# Episodes refer to plans.
_APPS = (
    make_people_life,
    make_group_life,
    make_check_ins,
    make_calendar,
    make_giving,
    make_services,
    make_registrations,
    make_publishing,
)


def fill_apps(filling: Filling) -> frozenset[str]:
    """Fill every app that the manifest has, and return the entities that were filled."""
    for make in _APPS:
        make(filling)
    return filling.filled
