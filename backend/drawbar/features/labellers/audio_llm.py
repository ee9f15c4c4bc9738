"""A feature's strongest and silent clips -> an audio language model's name for it, checked.

The labeller ``listener``. It is asked about training clips; then, without saying which is which, how well its label
fits held-out clips where the feature is strong and where it is silent: the AUROC of that is the score. Answers are
cached, so that a stopped run goes on where it stopped.
"""

import random
from dataclasses import asdict
from pathlib import Path

import torch

from drawbar.audio_analysis.audio_llm import BudgetSpentError, Heard, Listener, ListenerSettings
from drawbar.audio_analysis.chat import ChatError
from drawbar.audio_analysis.scoring import auroc
from drawbar.bank.records import Label, LabelRecord
from drawbar.features.labellers.interface import Labelled, LayerView, Tell, partners, separate

AUTHOR = "listener"
METHOD = "top and control clips heard"
_HIDDEN = ("key_name", "max_requests", "max_audio_s", "retries", "timeout_s")
_CLIPS = 400  # of a split that clips are looked for in
_FAILURES = 3  # refused features in a row after which the endpoint is given up

Place = tuple[int, int]
"""Clip and first frame."""


class _Side:
    """One split's windows: where they lie and how strong every feature is in them."""

    def __init__(self, view: LayerView, settings: ListenerSettings, split: str) -> None:
        window = settings.window_frames
        allowed = [c for c in view.choose(split, _CLIPS, window) if settings.allows(*view.clip_name(c))]
        self.activation = view.activation(allowed, window)
        self.places: list[Place] = [
            (clip, i * window) for clip in allowed for i in range(view.frames(clip) // window)
        ]

    def top(self, feature: int, n: int) -> list[Place]:
        return self._first(
            self.activation[:, feature].argsort(descending=True, stable=True).tolist(), feature, n
        )

    def silent(self, feature: int, n: int, seed: int) -> list[Place]:
        """Windows without the feature, one a clip, drawn at random."""
        none = torch.nonzero(self.activation[:, feature] == 0)[:, 0].tolist()
        random.Random(seed).shuffle(none)
        seen: dict[int, Place] = {}
        for i in none:
            seen.setdefault(self.places[i][0], self.places[i])
        return list(seen.values())[:n]

    def _first(self, order: list[int], feature: int, n: int) -> list[Place]:
        seen: dict[int, Place] = {}
        for i in order:
            if float(self.activation[i, feature]) <= 0 or len(seen) == n:
                break
            seen.setdefault(self.places[i][0], self.places[i])
        return list(seen.values())


class ListenerLabeller:
    """Asks an audio language model about each feature."""

    author = AUTHOR

    def __init__(self, settings: ListenerSettings, cache: Path, listener: Listener | None = None) -> None:
        self._settings = settings
        self._listener = listener or Listener(settings, cache)

    def key(self) -> object:
        """The settings, without where the key is found and what does not change an answer."""
        cfg = {name: value for name, value in asdict(self._settings).items() if name not in _HIDDEN}
        return [1, cfg, self._settings.max_requests, self._settings.max_audio_s]

    def label(self, view: LayerView, tell: Tell) -> Labelled:
        """Labels until all features or the budget are through; what was left is in the tables."""
        cfg = self._settings
        train, held_out = _Side(view, cfg, "train"), _Side(view, cfg, "held-out")
        if not len(train.places):
            return Labelled(tables={"left": "no clip was allowed: set allow_licences or allow_clips"})
        features = self._chosen(view, train)
        labels: list[LabelRecord] = []
        asked: list[tuple[int, str]] = []
        stopped, failures = "", 0
        for done, feature in enumerate(features):
            try:
                record = self._one(view, feature, train, held_out)
                failures = 0
            except BudgetSpentError as error:
                stopped = str(error)
                break
            except ChatError as error:
                failures += 1
                stopped = str(error)
                if failures == _FAILURES:
                    break
                continue
            if record is not None:
                labels.append(record)
                asked.append((feature, record.label.text))
            tell(done + 1, len(features))
        shuffled = self._shuffled(view, held_out, asked)
        true = [r.label.score for r in labels if r.label.score is not None]
        spent = {
            "requests": self._listener.budget.sent_requests,
            "audio_s": round(self._listener.budget.sent_audio_s, 1),
        }
        return Labelled(labels, separate(true, shuffled), {"left": stopped, "spent": spent})

    def _chosen(self, view: LayerView, train: _Side) -> list[int]:
        """The features that stand out most: the strongest windows against the mean."""
        top = train.activation.topk(min(self._settings.top, len(train.activation)), dim=0).values.mean(0)
        contrast = top / train.activation.mean(0).clamp_min(1e-9)
        alive = [f for f in view.alive if float(top[f]) > 0]
        return sorted(alive, key=lambda f: -float(contrast[f]))[: self._settings.max_features]

    def _one(self, view: LayerView, feature: int, train: _Side, held_out: _Side) -> LabelRecord | None:
        cfg = self._settings
        top, control = train.top(feature, cfg.top), train.silent(feature, cfg.control, feature)
        if len(top) < 2 or not control:
            return None
        answer = self._listener.name(self._heard(view, top), self._heard(view, control))
        if answer.confidence < cfg.min_confidence or answer.in_controls:
            return None
        score = self._check(view, feature, answer.name, held_out) if cfg.check else None
        evidence: dict[str, object] = {
            "description": answer.description,
            "confidence": round(answer.confidence, 3),
            "concepts": [list(pair) for pair in answer.concepts],
            "model": cfg.model,
            "clips": len(top),
            "controls": len(control),
        }
        return LabelRecord(f"{view.layer}/{feature}", Label(answer.name, AUTHOR, METHOD, score, evidence))

    def _check(self, view: LayerView, feature: int, label: str, side: _Side) -> float | None:
        """AUROC of the fits on held-out clips, in an order that gives nothing away."""
        cfg = self._settings
        strong, silent = side.top(feature, cfg.top), side.silent(feature, cfg.control, feature)
        if not strong or not silent:
            return None
        places = [(place, True) for place in strong] + [(place, False) for place in silent]
        random.Random(feature).shuffle(places)
        fits = self._listener.judge(label, self._heard(view, [place for place, _ in places]))
        return round(auroc(fits, [on for _, on in places]), 4)

    def _shuffled(self, view: LayerView, side: _Side, asked: list[tuple[int, str]]) -> list[float]:
        """The same check with another feature's label: the control, for at most 20 features."""
        scores: list[float] = []
        if not self._settings.check:
            return scores
        for (feature, _), j in list(zip(asked, partners([text for _, text in asked]), strict=True))[:20]:
            if j is None:
                continue
            try:
                score = self._check(view, feature, asked[j][1], side)
            except (BudgetSpentError, ChatError):
                break
            scores += [] if score is None else [score]
        return scores

    def _heard(self, view: LayerView, places: list[Place]) -> list[Heard]:
        found = []
        for clip, start in places:
            audio, rate_hz = view.audio(clip, start, self._settings.window_frames)
            found.append(Heard(audio, rate_hz, *view.clip_name(clip)))
        return found
