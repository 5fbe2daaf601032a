"""What measurements were taken on."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import psutil


def machine(*libraries: str) -> dict[str, object]:
    """Describe this machine, and name the versions of some libraries."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{library: version(library) for library in libraries},
    }
