"""Rules that every model keeps, read from what dbt understood, since dbt ignores much that is written wrongly."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from loaders.schema import PLAYLIST_REASONS
from warehouse.pipeline import MODELS
from warehouse.settings import PROJECT_ROOT

Manifest = dict[str, Any]
Node = dict[str, Any]

# A model reads its own layer and those before it. Results of the Python step enter through staging/ml, so what is
# built on them is younger than the features, whatever its folder.
LAYERS = ["staging", "intermediate", "features", "marts", "insights"]

# Keys that this project uses; dbt drops a misspelt one without a word.
YAML_KEYS = {
    "top": {"version", "models", "sources", "seeds", "unit_tests", "exposures", "groups"},
    "models": {"name", "description", "config", "columns", "data_tests"},
    "seeds": {"name", "description", "config", "columns", "data_tests"},
    "columns": {"name", "description", "data_type", "data_tests"},
    "sources": {"name", "schema", "description", "tables"},
    "tables": {"name", "description", "config", "columns"},
    "unit_tests": {"name", "description", "model", "given", "expect", "overrides"},
    "exposures": {"name", "label", "type", "maturity", "description", "owner", "depends_on"},
    "groups": {"name", "description", "owner"},
}
CONFIG_KEYS = {"meta", "freshness", "loaded_at_field", "column_types"}


def models(manifest: Manifest) -> list[Node]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def layer(node: Node) -> str:
    return str(node["fqn"][1])


def ancestors(manifest: Manifest, unique_id: str) -> set[str]:
    found: set[str] = set()
    waiting = [unique_id]
    while waiting:
        for parent in manifest["parent_map"].get(waiting.pop(), []):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def test_layers_look_back_only(manifest: Manifest) -> None:
    by_id = {node["unique_id"]: node for node in models(manifest)}
    for node in by_id.values():
        for parent_id in node["depends_on"]["nodes"]:
            parent = by_id.get(parent_id)
            # The one arrow that points back is the lineage of the Python step.
            if parent is None or (node["fqn"][1:3] == ["staging", "ml"] and layer(parent) == "features"):
                continue
            assert LAYERS.index(layer(parent)) <= LAYERS.index(layer(node)), f"{node['name']} reads {parent['name']}"


def test_sources_are_read_by_staging_only(manifest: Manifest) -> None:
    for node in models(manifest):
        if any(parent.startswith("source.") for parent in node["depends_on"]["nodes"]):
            assert layer(node) == "staging", node["name"]


@pytest.mark.parametrize("features", ["playlist_features", "artist_features"])
def test_features_know_nothing_of_predictions(manifest: Manifest, features: str) -> None:
    found = ancestors(manifest, f"model.mixhouse.{features}")
    assert "source.mixhouse.mpd.playlists" in found
    assert not [name for name in found if name.startswith("source.mixhouse.ml.")]
    assert not found & {f"model.mixhouse.{name}" for name in ("playlists", "artists")}


def test_lineage_is_unbroken_from_json_to_recommendation(manifest: Manifest) -> None:
    for insight, features in (
        ("playlist_recommendations", "playlist_features"),
        ("artist_recommendations", "artist_features"),
    ):
        path = ancestors(manifest, f"model.mixhouse.{insight}")
        assert {f"model.mixhouse.{features}", "source.mixhouse.mpd.playlists"} <= path
        assert any(name.startswith("source.mixhouse.ml.") for name in path)


def test_every_model_states_its_grain_and_describes_its_columns(manifest: Manifest) -> None:
    for node in [*models(manifest), *(n for n in manifest["nodes"].values() if n["resource_type"] == "seed")]:
        assert "One row" in node["description"] or node["resource_type"] == "seed", node["name"]
        assert node["description"], node["name"]
        assert node["columns"], node["name"]
        for column in node["columns"].values():
            assert column["description"].strip(), f"{node['name']}.{column['name']}"


def test_every_model_has_a_tested_key_or_says_what_holds_it(manifest: Manifest) -> None:
    keyed = {
        test["attached_node"]
        for test in manifest["nodes"].values()
        if test["resource_type"] == "test"
        and test.get("test_metadata", {}).get("name") in {"unique", "unique_combination"}
        and test["config"]["severity"].lower() == "error"
    }
    keyed |= {node["unique_id"] for node in models(manifest) if node["config"]["meta"].get("key_held_by")}
    missing = {node["unique_id"] for node in models(manifest)} - keyed
    assert not missing


@pytest.mark.parametrize(
    "model",
    [
        "playlist_performance",
        "playlist_recommendations",
        "playlist_growth",
        "track_journeys",
        "artist_recommendations",
        "artist_performance",
        "artist_movements",
        "artist_jumps",
        "similar_artists",
        "data_quality",
        "model_performance",
        "prediction_calibration",
        "prediction_residuals",
        "prediction_changes",
        "training_changes",
        "metric_changes",
        "cluster_changes",
        "int_trainings_compared",
        "int_playlist_groups_profiled",
        "int_playlists_compared",
        "int_playlist_groups_contrasted",
        "int_artist_clusters_profiled",
        "int_playlist_versions_titled",
        "track_genres",
        "artist_genres",
        "genres",
        "genre_monthly_trends",
        "artist_monthly_trends",
        "playlist_features",
        "artist_features",
    ],
)
def test_what_decides_a_recommendation_has_a_unit_test(manifest: Manifest, model: str) -> None:
    assert model in {unit_test["model"] for unit_test in manifest["unit_tests"].values()}


def test_each_reason_of_the_loader_has_a_rule() -> None:
    with (PROJECT_ROOT / "seeds" / "data_quality_rules.csv").open(encoding="utf-8", newline="") as file:
        rules = list(csv.DictReader(file))
    whole_reasons = [rule["reject_reason"] for rule in rules if rule["reject_reason"] and not rule["reject_field"]]
    assert sorted(whole_reasons) == sorted(PLAYLIST_REASONS)
    fields = [(rule["reject_reason"], rule["reject_field"]) for rule in rules if rule["reject_field"]]
    assert len(set(fields)) == len(fields)


def test_a_change_of_a_model_that_is_built_slice_by_slice_makes_it_anew(manifest: Manifest) -> None:
    incremental = [node for node in models(manifest) if node["config"]["materialized"] == "incremental"]
    assert incremental
    for node in incremental:
        assert any(Path(node["original_file_path"]).is_relative_to(name) for name in MODELS), node["name"]


def test_warnings_have_a_reason(manifest: Manifest) -> None:
    for test in manifest["nodes"].values():
        if test["resource_type"] == "test" and test["config"]["severity"].lower() == "warn":
            assert "A warning, not an error:" in test["raw_code"], test["name"]


def test_exposures_cover_dashboard_api_bi_and_both_models(manifest: Manifest) -> None:
    kinds = sorted(exposure["type"] for exposure in manifest["exposures"].values())
    assert kinds == ["analysis", "application", "dashboard", "ml", "ml"]


def test_everything_that_people_read_is_read_by_an_exposure(manifest: Manifest) -> None:
    exposed: set[str] = set()
    for exposure in manifest["exposures"].values():
        exposed |= set(exposure["depends_on"]["nodes"])
    assert {node["unique_id"] for node in models(manifest) if node["access"] == "public"} <= exposed


def test_the_exposure_of_pages_and_api_is_what_their_queries_read(manifest: Manifest) -> None:
    queries = [path.read_text(encoding="utf-8") for path in (PROJECT_ROOT / "web" / "queries").glob("*.sql")]
    assert len(queries) > 50
    read = {name for text in queries for name in re.findall(r"\b(?:marts|insights)\.(\w+)", text)}
    # A function, which is made with the model of genres.
    read.remove("title_features")
    exposed = manifest["exposures"]["exposure.mixhouse.analysis_api"]["depends_on"]["nodes"]
    assert {node.rsplit(".", 1)[1] for node in exposed} == read


def test_every_model_has_an_owner_and_people_build_on_public_ones_only(manifest: Manifest) -> None:
    groups = {group["name"]: group for group in manifest["groups"].values()}
    for node in models(manifest):
        assert groups[node["group"]]["owner"]["name"], node["name"]
        is_public = layer(node) in {"features", "marts", "insights"}
        assert node["access"] == ("public" if is_public else "private"), node["name"]


def test_what_is_public_is_granted_to_those_who_read_it(manifest: Manifest) -> None:
    readers = {layer: ["mixhouse_web", "mixhouse_reporter"] for layer in ("marts", "insights")}
    readers["features"] = ["mixhouse_ml"]
    for node in models(manifest):
        assert node["config"]["grants"].get("select", []) == readers.get(layer(node), []), node["name"]


def test_the_overview_of_the_docs_leads_to_what_exists(manifest: Manifest) -> None:
    overview = manifest["docs"]["doc.mixhouse.__overview__"]["block_contents"]
    links = re.findall(r"\(#!/(\w+)/([\w.]+)\)", overview)
    places = {"model": manifest["nodes"], "source": manifest["sources"], "exposure": manifest["exposures"]}
    for kind, name in links:
        assert name in places[kind], name
    linked = {name for _, name in links}
    assert linked >= manifest["exposures"].keys()
    assert linked >= {node["unique_id"] for node in models(manifest) if layer(node) in {"marts", "features"}}


def test_the_star_in_the_docs_is_that_of_the_keys(manifest: Manifest) -> None:
    star = (PROJECT_ROOT / "docs" / "bi.md").read_text(encoding="utf-8").split("erDiagram")[1].split("```")[0]
    lines = set(re.findall(r"^ +(\w+) \|\|--\|\{ (\w+) : (\w+)$", star, flags=re.MULTILINE))
    marts = {node["name"]: node for node in models(manifest) if layer(node) == "marts"}
    keys = {(key["to"], name, key["column"]) for name, node in marts.items() for key in foreign_keys(node)}
    assert lines == keys
    shown = dict(re.findall(r"^    (\w+) \{\n(.*?)\n    \}", star, flags=re.MULTILINE | re.DOTALL))
    assert shown.keys() == marts.keys()
    for name, columns in shown.items():
        for column in columns.splitlines():
            assert column.split()[1] in marts[name]["columns"], f"{name}: {column}"


def foreign_keys(node: Node) -> list[dict[str, str]]:
    found: list[dict[str, str]] = node["config"]["meta"].get("foreign_keys", [])
    return found


def test_foreign_keys_point_to_existing_columns(manifest: Manifest) -> None:
    by_name = {node["name"]: node for node in models(manifest)}
    keys = [(node, key) for node in models(manifest) for key in node["config"]["meta"].get("foreign_keys", [])]
    assert keys
    for node, key in keys:
        assert key["column"] in node["columns"]
        assert key["to_column"] in by_name[key["to"]]["columns"]


def test_json_and_functions_of_postgresql_alone_stay_in_staging_and_macros() -> None:
    for file in (PROJECT_ROOT / "models").rglob("*.sql"):
        if "staging" not in file.parts:
            code = file.read_text(encoding="utf-8")
            assert not [word for word in ("jsonb", "lateral", "distinct on", "->>", "to_timestamp") if word in code], (
                file
            )


def yaml_files() -> Iterator[Path]:
    for folder in ("models", "seeds"):
        yield from sorted((PROJECT_ROOT / folder).rglob("*.yml"))


@pytest.mark.parametrize("file", list(yaml_files()), ids=lambda path: path.name)
def test_yaml_keys_are_known(file: Path) -> None:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert content.keys() <= YAML_KEYS["top"]
    for kind, entries in content.items():
        for entry in entries:
            check_keys(kind, entry)


def check_keys(kind: str, entry: dict[str, Any]) -> None:
    assert entry.keys() <= YAML_KEYS[kind], f"{entry.get('name')}: {entry.keys() - YAML_KEYS[kind]}"
    assert entry.get("config", {}).keys() <= CONFIG_KEYS, entry["name"]
    for inner in ("columns", "tables"):
        for child in entry.get(inner, []):
            check_keys(inner, child)
