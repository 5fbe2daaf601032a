"""What the docs show can be done as they show it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import BIN, Warehouse

from warehouse.settings import PROJECT_ROOT

PAGES = [*PROJECT_ROOT.glob("*.md"), *(PROJECT_ROOT / "docs").rglob("*.md")]
STATEMENTS = [
    pytest.param(statement, id=f"{page.name}-{number}")
    for page in PAGES
    for block in re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for number, statement in enumerate(part for part in block.split(";") if part.strip())
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_sql_shown_in_docs_runs(golden_warehouse: Warehouse, statement: str) -> None:
    golden_warehouse.query(statement)


def test_sql_is_shown_at_all() -> None:
    assert len(STATEMENTS) >= 5


def test_the_guide_to_bi_tools_answers_ten_questions() -> None:
    page = (PROJECT_ROOT / "docs" / "bi.md").read_text(encoding="utf-8")
    answered = re.findall(r"^### (\d+)\. .+\?\n\n```sql\n", page, flags=re.MULTILINE)
    assert answered == [str(number) for number in range(1, 11)]


def test_python_shown_in_docs_runs(golden_warehouse: Warehouse) -> None:
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    ]
    assert blocks
    for block in blocks:
        golden_warehouse.run("python", "-W", "error", "-c", block)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_dbt_by_hand_as_the_readme_shows_it(golden_warehouse: Warehouse, tmp_path: Path) -> None:
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"^cp profiles\.example\.yml profiles\.yml.*?dbt build$", readme, flags=re.DOTALL | re.MULTILINE)
    assert shown
    # In a copy, so that a profile of the developer stays as it is.
    for name in ("dbt_project.yml", "profiles.example.yml", "selectors.yml", "packages.yml"):
        shutil.copy(PROJECT_ROOT / name, tmp_path)
    for name in ("models", "seeds", "macros", "tests/dbt"):
        shutil.copytree(PROJECT_ROOT / name, tmp_path / name)
    environment = golden_warehouse.variables | {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-euc", shown[0]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "ERROR=0" in done.stdout
