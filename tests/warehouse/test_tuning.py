from pathlib import Path

import pytest

from warehouse.tuning import GIB, MIB, Machine, settings_for, this_machine


def megabytes(setting: str) -> int:
    return int(setting.removesuffix("MB"))


@pytest.mark.parametrize(("memory", "buffers"), [(GIB // 2, 128), (8 * GIB, 2048), (256 * GIB, 8192)])
def test_a_quarter_of_memory_is_for_shared_buffers_up_to_8_gb(memory: int, buffers: int) -> None:
    assert megabytes(settings_for(Machine(memory, 4, 100 * GIB, GIB))["shared_buffers"]) == buffers


@pytest.mark.parametrize("memory", [GIB, 8 * GIB, 24 * GIB, 512 * GIB])
@pytest.mark.parametrize("cores", [1, 2, 64])
def test_a_heavy_query_in_each_of_four_sessions_fits_in_memory(memory: int, cores: int) -> None:
    settings = settings_for(Machine(memory, cores, 100 * GIB, GIB))
    processes = 1 + int(settings["max_parallel_workers_per_gather"])
    in_queries = 4 * processes * 2 * megabytes(settings["work_mem"]) * MIB
    assert megabytes(settings["shared_buffers"]) * MIB + in_queries <= memory


def test_small_shared_memory_of_a_container_is_not_used() -> None:
    assert settings_for(Machine(GIB, 2, GIB, 64 * MIB))["dynamic_shared_memory_type"] == "mmap"
    assert settings_for(Machine(GIB, 2, GIB, 12 * GIB))["dynamic_shared_memory_type"] == "posix"


def test_write_ahead_log_leaves_room_on_a_small_disk() -> None:
    assert megabytes(settings_for(Machine(8 * GIB, 2, 10 * GIB, GIB))["max_wal_size"]) == 1024


def test_this_machine_is_measured(tmp_path: Path) -> None:
    machine = this_machine(tmp_path)
    assert machine.memory >= 256 * MIB
    assert machine.cores >= 1
    assert machine.free_disk > 0
