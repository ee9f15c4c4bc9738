"""60 recordings of five formats and any rate, two damaged, one silent, one of 20 minutes -> the right clips."""

from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from drawbar.pipeline import run_stages
from tests.pipeline.fakes import FakeModel
from tests.pipeline.mixed_folder import DAMAGED, LONG, SILENT, write_mixed_folder
from tests.pipeline.test_build import settings
from tests.pipeline.test_stages import shards


@pytest.mark.slow
def test_sixty_unlike_files_become_clips_of_ten_seconds(tmp_path: Path) -> None:
    paths = write_mixed_folder(tmp_path / "music")
    made = replace(settings(tmp_path / "music", tmp_path / "run"), clip_s=10.0)
    run_stages(made, model=FakeModel(), until="tokens")
    store = shards(made.out)
    assert {name for name, _ in store.failed} == set(DAMAGED)
    tracks = {clip.track for clip in store.clips}
    assert len(tracks) == 57
    assert SILENT not in tracks
    assert sum(clip.track == LONG for clip in store.clips) == 120
    for path in paths[:-4]:
        name = path.relative_to(tmp_path / "music").as_posix()
        frames = sum(clip.frames for clip in store.clips if clip.track == name)
        seconds = soundfile.info(path).duration
        assert seconds - 1.02 <= frames / 50 <= seconds + 0.1, name
