"""Hide new records from reads for a while after they were announced."""

from openfaith_sync.simulator.data.tables import Row, Table


class VisibilityDelay:
    """Hides rows from reads; the church itself can still change them."""

    def __init__(self) -> None:
        """Start with nothing hidden."""
        self._waiting: list[tuple[float, Table, Row]] = []

    def __len__(self) -> int:
        """Return the number of hidden rows."""
        return len(self._waiting)

    def hide(self, table: Table, row: Row, until_seconds: float) -> None:
        """Hide a row until that time of the monotonic clock."""
        table.hide(row)
        self._waiting.append((until_seconds, table, row))

    def show_due(self, at_seconds: float) -> None:
        """Show the rows whose time has come."""
        for until, table, row in self._waiting:
            if until <= at_seconds:
                table.show(row)
        self._waiting = [hidden for hidden in self._waiting if hidden[0] > at_seconds]
