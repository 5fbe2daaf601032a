"""Settings of the embedded PostgreSQL that depend on the machine: pure arithmetic, and a look at the machine."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True)
class Machine:
    """What the server may use.

    Attributes:
        memory: bytes, of the machine or of the container's limit.
        cores: processors that we may run on.
        free_disk: bytes free where the data lie.
        shared_memory: bytes that `/dev/shm` can hold; 0 if there is none.
    """

    memory: int
    cores: int
    free_disk: int
    shared_memory: int


def this_machine(data: Path) -> Machine:
    """Measure the machine, or the container that we run in.

    Args:
        data: a folder on the disk that will hold the data.
    """
    shared = Path("/dev/shm")  # noqa: S108 (only its size is asked)
    return Machine(
        memory=min([psutil.virtual_memory().total, *_memory_limits()]),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        free_disk=shutil.disk_usage(data).free,
        shared_memory=shutil.disk_usage(shared).total if shared.exists() else 0,
    )


def settings_for(machine: Machine) -> dict[str, str]:
    """Return PostgreSQL settings for bulk loads and analytical queries of a few users on this machine.

    Memory is shared with the Python processes beside the server. Durability is left alone: what is committed survives.
    """
    parallel = min(4, machine.cores)
    return {
        "shared_buffers": _megabytes(machine.memory // 4, 64 * MIB, 8 * GIB),
        "effective_cache_size": _megabytes(machine.memory * 6 // 10, 128 * MIB, 1024 * GIB),
        # A query uses it several times over, times its parallel workers, times the sessions.
        "work_mem": _megabytes(machine.memory // 128, 8 * MIB, 256 * MIB),
        "maintenance_work_mem": _megabytes(machine.memory // 16, 64 * MIB, 2 * GIB),
        "autovacuum_work_mem": _megabytes(machine.memory // 64, 32 * MIB, 256 * MIB),
        "max_wal_size": _megabytes(machine.free_disk // 10, 256 * MIB, 8 * GIB),
        "max_worker_processes": str(max(8, machine.cores)),
        "max_parallel_workers": str(machine.cores),
        "max_parallel_workers_per_gather": str(parallel),
        "max_parallel_maintenance_workers": str(parallel),
        # Containers have a /dev/shm of 64 MB, and a parallel hash join that outgrows it fails.
        "dynamic_shared_memory_type": "posix" if machine.shared_memory >= GIB else "mmap",
        # A table filled in the transaction that makes it is then written once, not twice.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "checkpoint_timeout": "15min",
        # Vacuuming gives way to a build that has waited so long, and readers wait behind the build.
        "deadlock_timeout": "50ms",
        "max_connections": "60",
        "random_page_cost": "1.1",
        "jit": "off",
    }


def _megabytes(wanted: int, least: int, most: int) -> str:
    return f"{min(max(wanted, least), most) // MIB}MB"


def _memory_limits() -> list[int]:
    """Limits of the control groups that we are in, of version 2 and 1, in bytes."""
    root = Path("/sys/fs/cgroup")
    groups = Path("/proc/self/cgroup")
    files = [root / "memory.max", root / "memory" / "memory.limit_in_bytes"]
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, group = line.split(":", 2)
        if controllers in ("", "memory"):
            top, name = (root / controllers, "memory.limit_in_bytes") if controllers else (root, "memory.max")
            inner = Path(group.lstrip("/"))
            files += [top / folder / name for folder in (inner, *inner.parents)]
    contents = [file.read_text().strip() for file in files if file.is_file()]
    return [int(content) for content in contents if content.isdigit()]
