"""What `make demo` makes of MPD; `mixhouse` itself is stood in for by a script that tells how it was called."""

import os
import subprocess
from pathlib import Path

import pytest

from warehouse.settings import PROJECT_ROOT


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    script = tmp_path / "bin" / "mixhouse"
    script.parent.mkdir()
    script.write_text(
        '#!/bin/sh\nprintf "<%s>" "$@"; echo\n[ "$1" != run ] || exit "${RUN_CODE:-0}"\n', encoding="utf-8"
    )
    script.chmod(0o755)
    return script.parent


def demo(stand_in: Path, *variables: str, run_code: int = 0) -> subprocess.CompletedProcess[str]:
    installed = stand_in.parent / "venv" / "installed"
    installed.parent.mkdir()
    installed.touch()
    os.utime(installed, (2**31, 2**31))
    return subprocess.run(
        ["make", "--silent", "demo", f"BIN={stand_in}", f"VENV={installed.parent}", *variables],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"], "RUN_CODE": str(run_code)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_mpd_playlists_are_made(stand_in: Path) -> None:
    assert demo(stand_in).stdout.splitlines() == [
        "<synth><data/synthetic><--playlists><10000><--seed><1>",
        "<run><data/synthetic>",
        "<docs>",
        "<status>",
    ]


def test_a_path_with_blanks_is_one_path(stand_in: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my $data's folder"
    folder.mkdir()
    shown = demo(stand_in, f"MPD={str(folder).replace('$', '$$')}").stdout
    assert shown.splitlines() == [f"<run><{folder}>", "<docs>", "<status>"]


def test_several_slices_are_several_paths(stand_in: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"mpd.slice.{name}.json").touch()
    shown = demo(stand_in, f"MPD={tmp_path}/mpd.slice.*.json elsewhere").stdout
    assert shown.splitlines()[0] == f"<run><{tmp_path}/mpd.slice.a.json><{tmp_path}/mpd.slice.b.json><elsewhere>"


def test_refused_input_does_not_keep_the_rest_from_being_shown(stand_in: Path) -> None:
    done = demo(stand_in, run_code=1)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2:] == ["<docs>", "<status>"]


def test_a_failed_build_ends_the_demo(stand_in: Path) -> None:
    done = demo(stand_in, run_code=4)
    assert done.returncode != 0
    assert "<docs>" not in done.stdout
