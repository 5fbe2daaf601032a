"""The manifest of the dbt project: what dbt itself understood of the files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from warehouse.settings import PROJECT_ROOT


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("manifest")
    shutil.copyfile(PROJECT_ROOT / "profiles.example.yml", folder / "profiles.yml")
    dbt = Path(sys.executable).with_name("dbt")
    folders = ["--profiles-dir", folder, "--target-path", folder / "target", "--log-path", folder / "logs"]
    subprocess.run([dbt, "--quiet", "parse", *folders], cwd=PROJECT_ROOT, check=True)
    content: dict[str, Any] = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))
    return content
