"""A scan of a source: kept whatever happens, done once, and believed until something changes."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from odvae.data import (
    DataConfig,
    DataSource,
    Scan,
    Source,
    dataset_summary,
    make_manifest,
    open_source,
    scan_source,
    sources,
)
from odvae.data.clips import evaluation_clips
from odvae.data.frames import FrameStore
from odvae.data.scan_manifest import ScanManifest, scan_path
from odvae.errors import UserError

from .made_sources import FRAMES, frames_of, make_ucf101, names, small, video
from .made_videos import FORMATS, damage_frame, make_frames, make_video

Edit = Callable[[Path], None]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Ten sound videos of different content, and three that are not."""
    root = tmp_path / "videos"
    for number in range(10):
        video(root / f"set {number % 2}" / f"v é{number}.mp4", first_number=7 * number)
    (root / "text.mp4").write_text("no video\n" * 50)
    damage_frame(make_video(root / "damaged.avi", 20, FORMATS["avi"]), 9)
    cut = video(root / "cut.mp4", first_number=99)
    cut.write_bytes(cut.read_bytes()[:-2000])
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def scan(config: DataConfig, cache: Path, *, jobs: int = 2, full: bool = False) -> Scan:
    return scan_source(config, cache=cache, jobs=jobs, full=full, progress=lambda done, of: None)


def folder(tree: Path, manifest: Path | None = None) -> DataConfig:
    return small(DataSource.folder, tree, manifest=manifest)


def ban_probing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise AssertionError(f"{path} was probed")

    monkeypatch.setattr(sources, "probe", fail)


def test_parallel_is_serial(tree: Path, cache: Path, tmp_path: Path) -> None:
    serial = scan(folder(tree), cache, jobs=1)
    parallel = scan(folder(tree), tmp_path / "other", jobs=8)
    assert serial.manifest == parallel.manifest
    assert serial.path.read_bytes() == parallel.path.read_bytes()
    assert serial.decoded == 13
    problems = {e.name: e.problem for e in serial.manifest.entries if e.problem}
    assert {name: text.partition(":")[0] for name, text in problems.items()} == {
        "cut.mp4": "cut off",
        "damaged.avi": "damaged",
        "text.mp4": "unreadable",
    }


def test_training_reads_the_scan_and_probes_nothing(
    tree: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = open_source(folder(tree), cache=cache)
    found = scan(folder(tree), cache)
    ban_probing(monkeypatch)
    source = open_source(folder(tree), cache=cache)
    assert source.scan_digest == found.manifest.digest
    bad = {"cut.mp4", "damaged.avi", "text.mp4"}
    assert {s.name for s in source.skipped} == bad
    assert {s.reason for s in source.skipped} == {
        e.problem for e in found.manifest.entries if e.problem
    }
    for side, before in ((source.train, plain.train), (source.heldout, plain.heldout)):
        assert names(side) == [name for name in names(before) if name not in bad]
    assert not frames_of(source.train) & frames_of(source.heldout)


def test_clips_of_the_evaluation_are_the_same_with_a_scan(tree: Path, cache: Path) -> None:
    for name in ("cut.mp4", "damaged.avi", "text.mp4"):
        (tree / name).unlink()
    config = folder(tree)
    plain = make_manifest(open_source(config), config)
    scan(config, cache)
    source = open_source(config, cache=cache)
    assert make_manifest(source, config) == plain
    assert len(list(evaluation_clips(plain, source, store=FrameStore(config.short_side_px)))) > 0


def test_a_second_scan_decodes_what_is_new_or_changed(tree: Path, cache: Path) -> None:
    first = scan(folder(tree), cache)
    assert scan(folder(tree), cache).decoded == 0
    video(tree / "new.mp4", first_number=150)
    (tree / "set 0" / "v é0.mp4").rename(tree / "renamed.mp4")
    video(tree / "set 1" / "v é1.mp4", first_number=160)
    (tree / "text.mp4").unlink()
    second = scan(folder(tree), cache)
    assert second.decoded == 3
    assert second.manifest.digest != first.manifest.digest
    assert [e.name for e in second.manifest.entries] == sorted(
        p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file()
    )
    assert scan(folder(tree), cache, full=True).decoded == 13


def test_the_digest_is_of_the_content(tree: Path, cache: Path, tmp_path: Path) -> None:
    before = scan(folder(tree), cache).manifest
    shutil.copytree(tree, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    after = scan(folder(tmp_path / "elsewhere"), cache).manifest
    assert before.digest == after.digest
    assert before.entries != after.entries  # by their dates
    other = replace(before, entries=[replace(e, problem="x: y") for e in before.entries])
    assert other.digest != before.digest


def test_an_interrupted_scan_goes_on(tree: Path, cache: Path) -> None:
    class Enough(Exception):
        pass

    def stop_at_six(done: int, _: int) -> None:
        if done == 6:
            raise Enough

    with pytest.raises(Enough):
        scan_source(folder(tree), cache=cache, jobs=2, progress=stop_at_six)
    assert not list(cache.glob("*.json"))
    (journal,) = cache.glob(".*.journal")
    with journal.open("ab") as file:
        file.write(b'{"name": "half a li')
    rest = scan(folder(tree), cache)
    assert rest.decoded == 13 - 6
    assert not journal.exists()
    assert rest.manifest == scan(folder(tree), cache, full=True).manifest


def change_size(path: Path) -> None:
    video(path, first_number=200)


def change_date(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def break_it(path: Path) -> None:
    path.write_text("no video")


@pytest.mark.parametrize("edit", [change_size, change_date, break_it])
def test_a_video_that_changed_is_looked_at_again(tree: Path, cache: Path, edit: Edit) -> None:
    scan(folder(tree), cache)
    edit(tree / "set 0" / "v é4.mp4")
    source = open_source(folder(tree), cache=cache)
    assert source.scan_digest is None  # this is no longer what was scanned
    by_name = {r.name: r for r in source.train + source.heldout}
    if edit is break_it:
        assert "Invalid data" in {s.name: s.reason for s in source.skipped}["set 0/v é4.mp4"]
    else:
        assert by_name["set 0/v é4.mp4"].scanned is None
    assert by_name["set 0/v é2.mp4"].scanned is not None


def test_a_hash_is_not_believed_once_the_video_changed(tree: Path, cache: Path) -> None:
    config = folder(tree)
    scan(config, cache)
    source = open_source(config, cache=cache)
    manifest = make_manifest(source, config)
    store = FrameStore(config.short_side_px)
    video(source.heldout[0].path, first_number=222)
    with pytest.raises(UserError, match="is not the file of the manifest"):
        list(evaluation_clips(manifest, source, store=store))


def test_copies_of_held_out_videos_do_not_train(tree: Path, cache: Path) -> None:
    source = open_source(folder(tree))
    for number in range(6):
        shutil.copy(source.heldout[0].path, tree / f"copy{number}.mp4")
    scan(folder(tree), cache)
    after = open_source(folder(tree), cache=cache)
    held = {r.sha256() for r in after.heldout}
    assert not held & {r.sha256() for r in after.train}
    assert any(s.reason.startswith("copy: of the held-out ") for s in after.skipped)


def test_labels_and_all_folds_share_a_scan(cache: Path, tmp_path: Path) -> None:
    where = make_ucf101(tmp_path / "ucf")
    first = small(DataSource.ucf101, *where, fold=1)
    second = replace(first, fold=2)
    done = scan(first, cache)
    assert sorted({e.label for e in done.manifest.entries if e.label is not None}) == [0, 1]
    assert scan(second, cache).decoded == 0
    opened = open_source(second, cache=cache)
    assert [r.label for r in opened.heldout] == [0, 1]
    assert opened.scan_digest == done.manifest.digest


def test_folders_of_frames_are_scanned_too(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side, first in (("sky_train", 0), ("sky_test", 50)):
        for part in (0, 1):
            named = [f"{n}.png" for n in range(FRAMES)]
            make_frames(tmp_path / "sky" / side / f"{part}", named, first_number=first + part)
    config = small(DataSource.sky_timelapse, tmp_path / "sky")
    assert scan(config, cache).decoded == 4
    ban_probing(monkeypatch)
    assert len(open_source(config, cache=cache).train) == 2


def test_a_manifest_that_is_named(tree: Path, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "scans" / "mine.json"
    config = folder(tree, manifest=path)
    with pytest.raises(UserError, match=r"data\.manifest: .*mine\.json is not a file that"):
        open_source(config)
    assert scan(config, cache).path == path and not cache.exists()
    assert open_source(config).scan_digest == ScanManifest.read(path).digest


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}', '{"format": 3, "videos"'])
def test_what_is_no_manifest_is_neither_read_nor_replaced(
    text: str, tree: Path, cache: Path, tmp_path: Path
) -> None:
    path = tmp_path / "notes.json"
    path.write_text(text)
    for use in (open_source, lambda config: scan(config, cache, full=True)):
        with pytest.raises(UserError, match=r"notes\.json is ") as caught:
            use(folder(tree, manifest=path))
        assert "\n" not in str(caught.value)
    assert path.read_text() == text


def test_a_manifest_of_another_source_is_refused(tree: Path, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    scan(folder(tree, manifest=path), cache)
    with pytest.raises(UserError, match=r"is a scan of data=folder, not of data=bundled"):
        open_source(DataConfig(manifest=str(path)))


def test_one_scan_at_a_time(tree: Path, cache: Path) -> None:
    path = scan_path(folder(tree), cache=cache)
    cache.mkdir()
    with (
        FileLock(path.with_name(f".{path.name}.lock")),
        pytest.raises(UserError, match="another scan"),
    ):
        scan(folder(tree), cache)


def test_the_manifest_is_json_with_what_was_promised(tree: Path, cache: Path) -> None:
    read = json.loads(scan(folder(tree), cache).path.read_text())
    assert set(read["videos"][0]) == {
        *("name", "sha256", "size_bytes", "mtime_ns", "fps", "frames", "height", "width"),
        *("decoded_frames", "label", "problem"),
    }


def test_the_summary_names_the_data_set(tree: Path, cache: Path) -> None:
    config = folder(tree)
    plain = dataset_summary(open_source(config), config)
    digest = scan(config, cache).manifest.digest
    source: Source = open_source(config, cache=cache)
    summary = dataset_summary(source, config)
    assert (plain.name, plain.is_scanned) == ("folder", False)
    assert (summary.digest, summary.is_scanned) == (digest, True)
    assert summary.train_videos + summary.heldout_videos == 10
    assert summary.train_frames + summary.heldout_frames == 10 * FRAMES
    assert summary.skipped == {"cut off": 1, "damaged": 1, "unreadable": 1}
