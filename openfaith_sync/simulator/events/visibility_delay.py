"""The curtain: new records that the API does not show yet, though they were announced."""

from openfaith_sync.simulator.data.tables import Row, Table


class Curtain:
    """Hides rows from reads, not from the church: it goes on changing them."""

    def __init__(self) -> None:
        """Hide nothing."""
        self._waiting: list[tuple[float, Table, Row]] = []

    def __len__(self) -> int:
        """Count what is hidden."""
        return len(self._waiting)

    def hide(self, table: Table, row: Row, until_seconds: float) -> None:
        """Hide a row until that moment of the monotonic clock."""
        table.hide(row)
        self._waiting.append((until_seconds, table, row))

    def lift(self, at_seconds: float) -> None:
        """Show what has been hidden for long enough."""
        for until, table, row in self._waiting:
            if until <= at_seconds:
                table.show(row)
        self._waiting = [hidden for hidden in self._waiting if hidden[0] > at_seconds]
