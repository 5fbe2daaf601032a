"""What a fresh clone relies on."""

import csv
import re

from warehouse.settings import PROJECT_ROOT


def test_the_lock_file_pins_everything_with_hashes_and_names_no_registry() -> None:
    lock = (PROJECT_ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[\w.-]+==[\w.]+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_every_direct_dependency_is_locked() -> None:
    project = (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lock = (PROJECT_ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    names = re.findall(r'^    "([\w-]+)(?:\[\w+\])?[><~=]', project, flags=re.MULTILINE)
    assert len(names) > 15
    for name in names:
        assert f"\n{name.lower()}==" in f"\n{lock}", name


def test_every_threshold_of_a_recommendation_is_used_and_every_used_one_exists() -> None:
    with (PROJECT_ROOT / "seeds" / "recommendation_thresholds.csv").open(encoding="utf-8") as file:
        known = {row["threshold"] for row in csv.DictReader(file)}
    used: set[str] = set()
    for folder in ("models", "macros"):
        for file in (PROJECT_ROOT / folder).rglob("*.sql"):
            used |= set(re.findall(r"threshold = '(\w+)'", file.read_text(encoding="utf-8")))
    assert used == known


def test_every_genre_keyword_decides_something() -> None:
    """A keyword that holds another of its genre, and nothing before that, could be left out."""
    with (PROJECT_ROOT / "seeds" / "genre_keywords.csv").open(encoding="utf-8") as file:
        genres = {row["keyword"]: row["genre"] for row in csv.DictReader(file)}

    def named_without(keyword: str) -> str:
        words = keyword.split(" ")
        phrases = [" ".join(words[start:end]) for start in range(len(words)) for end in range(len(words), start, -1)]
        return next((genres[phrase] for phrase in phrases if phrase in genres and phrase != keyword), "")

    assert len(genres) > 150
    assert not [keyword for keyword, genre in genres.items() if named_without(keyword) == genre]


def test_every_generic_test_is_listed_in_its_readme() -> None:
    folder = PROJECT_ROOT / "tests" / "dbt" / "generic"
    listed = set(re.findall(r"^\| `(\w+)`", (folder / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert listed == {file.stem for file in folder.glob("*.sql")}
