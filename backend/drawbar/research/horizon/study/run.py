"""Settings -> a long-horizon study: tracks, positions, probes, instrument, interventions, gate; each stage resumes.

A stage whose inputs, settings or version changed is run anew, others are left alone (see ``manifest``).
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbar.bank import Bank, find_bank
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_json
from drawbar.files.json_object import JsonObject
from drawbar.files.lock import folder_lock
from drawbar.files.reading import json_value
from drawbar.musicgen import Model, load_model
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.research.horizon.composed_truth import returns
from drawbar.research.horizon.events import Event, Track, load_events, load_tracks, save_events, save_tracks
from drawbar.research.horizon.features_at import Units, encoder_look_ahead
from drawbar.research.horizon.gate import acts, audible, foresees, passed, verdict
from drawbar.research.horizon.interventions import play, weigh
from drawbar.research.horizon.manifest import composed_tracks, verify
from drawbar.research.horizon.nulls import null_control
from drawbar.research.horizon.outcomes import HeardReturns, ReturnDetector
from drawbar.research.horizon.positive import positive_control
from drawbar.research.horizon.probes import Probes
from drawbar.research.horizon.rows import Rows
from drawbar.research.horizon.study.acting import (
    acted_on,
    beginnings,
    planned,
    read_condition,
    save_condition,
    write_examples,
)
from drawbar.research.horizon.study.positions import TrackFile, collected, write_track
from drawbar.research.horizon.study.settings import HorizonSettings
from drawbar.steering import check_site

STAGES = ("tracks", "positions", "probes", "instrument", "interventions", "gate")
"""In order."""


def study(
    settings: HorizonSettings,
    progress: ProgressCallback | None = None,
    *,
    model: Model | None = None,
    bank: Bank | None = None,
    detector: ReturnDetector | None = None,
    until: str = "",
) -> JsonObject:
    """Run the study, or go on with it -> what the gate says (empty where ``until`` names an earlier stage).

    Raises:
        BadInputError: tracks that do not verify, too few tracks, horizons that label alike.
        LeakError: a residual that depends on audio after its position.
        ControlError: a control that is missing or is the candidate.
        SiteMismatchError: a bank of another model.
    """
    if until and until not in STAGES:
        raise BadInputError(f"stage {until!r}: there are {', '.join(STAGES)}")
    run = HorizonRun(settings, progress, model, bank, detector)
    with folder_lock(settings.out, "running a study"):
        for name in STAGES[: STAGES.index(until) + 1] if until else STAGES:
            run.stage(name)
        return run.result() if not until or until == STAGES[-1] else {}


class HorizonRun:
    """One study's stages; each may be asked only after the ones before it."""

    def __init__(
        self,
        settings: HorizonSettings,
        progress: ProgressCallback | None = None,
        model: Model | None = None,
        bank: Bank | None = None,
        detector: ReturnDetector | None = None,
    ) -> None:
        self.settings, self.progress = settings, progress
        self.model = load_model(settings.model) if model is None else model
        place = find_bank(settings.bank or "embedded")
        self.bank = Bank.open(place) if bank is None else bank
        check_site(self.bank, self.model)
        self.layers = tuple(settings.layers or self.bank.info.layers)
        self.detector: ReturnDetector = detector or HeardReturns()
        self.done: dict[str, Stage] = {}

    def stage(self, name: str) -> Stage:
        """Run one stage of :data:`STAGES`."""
        work: Callable[[], Stage] = getattr(self, f"_{name}")
        self.done[name] = work()
        return self.done[name]

    def result(self) -> JsonObject:
        return self._read("gate", "gate.json")

    # --- what stages share -------------------------------------------------------------------------------

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        return load_tracks(self.done["tracks"].folder / "tracks.jsonl")

    @cached_property
    def events(self) -> tuple[Event, ...]:
        return load_events(self.done["tracks"].folder / "events.jsonl")

    @cached_property
    def units(self) -> list[Units]:
        return [Units.of(self.bank, layer) for layer in self.layers]

    @cached_property
    def rows(self) -> Rows:
        return Rows.load(self.done["positions"].folder / "rows.safetensors")

    def _read(self, stage: str, name: str) -> JsonObject:
        found: JsonObject = json_value((self.done[stage].folder / name).read_text(encoding="utf-8"))
        return found

    def _stage(self, name: str, version: int, **key: object) -> Stage:
        number = STAGES.index(name) + 1
        return Stage(self.settings.out / f"{number}-{name}", f"horizon {name}", version, key)

    def _teller(self, name: str) -> Callable[[str, float], None]:
        report = Reporter(self.progress, name, 1000, "‰")
        return lambda what, share: report(round(share * 1000), note=what)

    # --- stages ------------------------------------------------------------------------------------------

    def _tracks(self) -> Stage:
        s = self.settings
        key: JsonObject = {"corpus": s.corpus}
        if s.composed:
            key |= {"piece_s": s.piece_s, "first_seed": s.first_seed}
        else:
            key |= {
                "manifest": Path(s.corpus).read_text("utf-8"),
                "events": Path(s.events).read_text("utf-8"),
            }
        stage = self._stage("tracks", 2, **key)
        if not stage.begin():
            return stage
        s.out.mkdir(parents=True, exist_ok=True)
        write_json(s.out / "settings.json", s.to_dict())
        if s.composed:
            tracks = composed_tracks(s.composed, s.piece_s, s.first_seed)
            events = [event for track in tracks for event in returns(track)]
            refused: list[str] = []
        else:
            tracks = load_tracks(Path(s.corpus))
            gone = {
                r.id: r.reason for r in verify(tracks, Path(s.audio) if s.audio else Path(s.corpus).parent)
            }
            refused = [f"{id}: {reason}" for id, reason in gone.items()]
            tracks = tuple(track for track in tracks if track.id not in gone)
            names = {track.id for track in tracks}
            events = [event for event in load_events(Path(s.events)) if event.track in names]
        save_tracks(stage.folder / "tracks.jsonl", tracks)
        save_events(stage.folder / "events.jsonl", events)
        kinds = [event.kind for event in events]
        stage.finish(
            [stage.folder / "tracks.jsonl", stage.folder / "events.jsonl"],
            tracks=len(tracks),
            splits={split: sum(t.split == split for t in tracks) for split in ("train", "valid", "test")},
            licences=sorted({track.licence for track in tracks}),
            events={kind: kinds.count(kind) for kind in sorted(set(kinds))},
            refused=refused,
        )
        return stage

    def _positions(self) -> Stage:
        s = self.settings
        stage = self._stage(
            "positions",
            1,
            tracks=self.done["tracks"].digest,
            model=self.model.fingerprint,
            codec=self.model.codec.fingerprint,
            layers=list(self.layers),
            horizons=[list(pair) for pair in s.horizons],
            grid=asdict(s.grid),
            excerpts=s.excerpts,
        )
        if not stage.begin():
            return stage
        look_ahead = encoder_look_ahead(self.model.codec)
        files = [
            TrackFile(track, stage.folder / f"track-{number:05d}.safetensors")
            for number, track in enumerate(self.tracks)
        ]
        by_track: dict[str, list[Event]] = {}
        for event in self.events:
            by_track.setdefault(event.track, []).append(event)
        report = Reporter(self.progress, "positions", len(files), "tracks")
        for number, file in enumerate(files):
            if file.path.is_file():
                report.start_at(number + 1)
                continue
            write_track(file, by_track.get(file.track.id, []), s, self.layers, self.model, look_ahead)
            report(number + 1)
        rows, worst, short = collected(files, s)
        rows.save(stage.folder / "rows.safetensors")
        stage.finish(
            [stage.folder / "rows.safetensors"],
            tracks=len(rows.names),
            held_out=int(rows.held_out.sum()),
            positions=len(rows.track),
            shares=rows.labels.mean(axis=0).round(4).tolist(),
            look_ahead_frames=look_ahead,
            worst_difference_when_cut=worst,
            too_short=short,
        )
        return stage

    def _probes(self) -> Stage:
        stage = self._stage(
            "probes",
            1,
            positions=self.done["positions"].digest,
            bank=self.bank.info.fingerprint,
            features=[len(one.index) for one in self.units],
            settings=asdict(self.settings.probes),
        )
        if stage.begin():
            found = Probes(self.rows, self.units, self.settings.probes, self._teller("probes")).run()
            write_json(stage.folder / "probes.json", found)
            stage.finish([stage.folder / "probes.json"])
        return stage

    def _instrument(self) -> Stage:
        how = self.settings.instrument
        stage = self._stage("instrument", 1, probes=self.done["probes"].digest, settings=asdict(how))
        if stage.begin():
            tell = self._teller("instrument")
            probes = self.settings.probes
            null = null_control(
                self.rows, self.units[:1], probes, repeats=how.nulls, told=lambda w, x: tell(w, x / 2)
            )
            power = positive_control(
                self.rows,
                self.units[:1],
                probes,
                strengths=how.strengths,
                repeats=how.repeats,
                told=lambda w, x: tell(w, 0.5 + x / 2),
            )
            write_json(stage.folder / "instrument.json", {"null": null, "power": power})
            stage.finish([stage.folder / "instrument.json"])
        return stage

    def _interventions(self) -> Stage:
        how = self.settings.interventions
        detector = getattr(self.detector, "settings", None)
        stage = self._stage(
            "interventions",
            1,
            probes=self.done["probes"].digest,
            settings=asdict(how),
            detector=asdict(detector) if detector is not None else type(self.detector).__name__,
        )
        if not stage.begin():
            return stage
        tokens, names = beginnings(self.tracks, self.events, self.settings, self.model)
        probes = self._read("probes", "probes.json")
        features = acted_on(probes, self.settings)
        all_ = planned(features, probes, self.rows, self.units, self.bank, how)
        report = Reporter(self.progress, "interventions", len(all_), "conditions")
        found: dict[str, NDArray[np.float64]] = {}
        for number, condition in enumerate(all_):
            path = stage.folder / f"{condition.name}.safetensors"
            kept = read_condition(path)
            if kept is None:
                kept = play(self.model, self.detector, condition, tokens, how)
                save_condition(path, *kept)
                report(number + 1, note=condition.name)
            else:
                report.start_at(number + 1)
            found[condition.name] = kept[1]
        weighed = [weigh(feature["id"], found, all_, names) for feature in features]
        write_json(
            stage.folder / "interventions.json",
            {"tracks": names, "features": weighed, "clips": len(all_) * len(names)},
        )
        examples = write_examples(stage.folder, all_, names, self.model, how)
        write_json(stage.folder / "examples.json", examples)
        outputs = [stage.folder / "interventions.json", stage.folder / "examples.json"]
        stage.finish([*outputs, *(stage.folder / one["file"] for one in examples)])
        return stage

    def _gate(self) -> Stage:
        probes_settings = self.settings.probes
        stage = self._stage(
            "gate",
            1,
            interventions=self.done["interventions"].digest,
            instrument=self.done["instrument"].digest,
            alpha=probes_settings.alpha,
        )
        if not stage.begin():
            return stage
        probes = self._read("probes", "probes.json")
        acted = {one["id"]: one for one in self._read("interventions", "interventions.json")["features"]}
        examples: list[JsonObject] = json_value(
            (self.done["interventions"].folder / "examples.json").read_text("utf-8")
        )
        gated = []
        for feature in probes["features"]:
            foreseeing = foresees(feature, least_margin=probes_settings.least_margin)
            acting = acts(feature, acted.get(feature["id"]), alpha=probes_settings.alpha)
            heard = audible([one for one in examples if one["feature"] == feature["id"]])
            criteria = [*foreseeing, *acting, heard]
            gated.append(
                {
                    "id": feature["id"],
                    "criteria": [criterion.to_json() for criterion in criteria],
                    "foresees": passed(foreseeing),
                    "acts": passed(acting),
                    "passed": passed(criteria),
                    "acted_on": feature["id"] in acted,
                }
            )
        detectable = float(np.median([f["margins"]["detectable"] for f in probes["features"]]))
        result = {"features": gated, **verdict(gated, detectable)}
        write_json(stage.folder / "gate.json", result)
        stage.finish([stage.folder / "gate.json"])
        return stage
