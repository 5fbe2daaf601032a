"""Look-ups are index scans, by the planner's own choice on 10,000 playlists: it prefers them the more there are."""

import pytest
from commands import Warehouse
from lookups import LOOKUPS, explain, scans, worst_cases

BY_INDEX = {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_a_look_up_reads_every_table_by_an_index(synthetic_warehouse: Warehouse, lookup: str) -> None:
    with synthetic_warehouse.connect() as connection:
        plan = explain(connection, lookup, worst_cases(connection))["Plan"]
    read = list(scans(plan))
    assert read
    assert [(table, scan) for table, scan in read if scan not in BY_INDEX] == []
