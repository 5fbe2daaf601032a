"""Imports point one way: command line, then web, then machine learning and loaders, then the warehouse."""

import ast
from pathlib import Path

import pytest

from warehouse.settings import PROJECT_ROOT

ALLOWED = {
    "warehouse": set(),
    "loaders": {"warehouse"},
    "python_ml": {"warehouse"},
    "web": {"warehouse", "loaders", "python_ml"},
    "mixhouse": {"warehouse", "loaders", "python_ml", "web"},
}


def imported_packages(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    files = sorted((PROJECT_ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        ours = imported_packages(file) & ALLOWED.keys() - {package}
        assert ours <= ALLOWED[package], f"{file.relative_to(PROJECT_ROOT)} imports {ours - ALLOWED[package]}"


def test_every_package_is_known_here() -> None:
    packages = {path.parent.name for path in PROJECT_ROOT.glob("*/__init__.py")}
    assert packages == ALLOWED.keys()
