"""Beginnings of held-out tracks and features -> what returns when each is ablated, scaled up, or left alone.

Every condition plays the same beginnings with the same seeds, teacher-forced up to the border and acted on from there.
For a candidate: ablate, scale up, the same of the best local feature and of random twins; and the bypass of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.errors import BadInputError, ControlError
from drawbar.files.json_object import JsonObject
from drawbar.musicgen import Model
from drawbar.research.horizon.outcomes import OUTCOMES, ReturnDetector, outcomes
from drawbar.research.horizon.selectivity import effect, selectivity
from drawbar.research.horizon.twins import ACTED, Acted, Way, direction
from drawbar.steering import Mixer
from drawbar.steering.automation import Automation, Lane

Doubles = NDArray[np.float64]
WAYS: tuple[Way, ...] = ("ablate", "scale up")
BYPASS = "bypass"


@dataclass(frozen=True)
class InterventionSettings:
    """What is played."""

    features: int = 2
    """Features of the shortlist that are acted on at least, those first that foresee."""
    most: int = 4
    """Acted on at most, if so many foresee."""
    prefixes: int = 8
    """Beginnings, from as many held-out tracks."""
    prefix_s: float = 15.0
    seconds: float = 12.0
    """Generated behind each."""
    twins: int = 20
    """Random features a candidate is compared with; a rank of 1 in 21 is p = 0.048."""
    amount: float = 1.0
    """Of scaling up, in units of the feature's scale."""
    guidance: float | None = None
    """None: null text, one branch."""
    temperature: float = 1.0
    top_k: int = 250
    seed: int = 7
    examples: int = 2
    """Beginnings of which the report plays both sides."""

    def __post_init__(self) -> None:
        if min(self.prefixes, self.twins) < 2 or self.features < 1 or self.amount <= 0:
            raise BadInputError("prefixes and twins must be 2 or more, features 1 or more, amount above 0")
        if not (0 < self.prefix_s <= 28 and 0 < self.seconds <= 60):
            raise BadInputError(
                f"prefix_s={self.prefix_s:g}, seconds={self.seconds:g}: up to 28 s, and up to 60 s"
            )


@dataclass(frozen=True, eq=False)
class Condition:
    """What is done to one set of clips."""

    name: str
    """A file name: ``bypass``, ``2-14.ablate``, ``2-14.local.ablate``, ``2-14.random3.scale-up``."""
    candidate: str
    """The feature that it belongs to; empty for the bypass."""
    role: str
    """feature, local, random or bypass."""
    way: Way | None
    acted: Acted | None


def conditions(chosen: Sequence[tuple[Acted, Acted, Sequence[Acted]]]) -> list[Condition]:
    """(candidate, local feature, twins) of each feature -> every condition, the bypass first.

    Raises ControlError for a local feature or twin that is the candidate.
    """
    found = [Condition(BYPASS, "", BYPASS, None, None)]
    for candidate, local, twins in chosen:
        for other in (local, *twins):
            if np.array_equal(other.encoder, candidate.encoder) or np.array_equal(
                other.decoder, candidate.decoder
            ):
                raise ControlError(
                    f"{other.id} is to be a control of {candidate.id}, and is the same feature"
                )
        slug = candidate.id.replace("/", "-")
        for way in WAYS:
            verb = way.replace(" ", "-")
            found.append(Condition(f"{slug}.{verb}", candidate.id, "feature", way, candidate))
            found.append(Condition(f"{slug}.local.{verb}", candidate.id, "local", way, local))
            found += [
                Condition(f"{slug}.random{n}.{verb}", candidate.id, "random", way, one)
                for n, one in enumerate(twins)
            ]
    return found


def play(
    model: Model,
    detector: ReturnDetector,
    condition: Condition,
    prefixes: Tensor,
    settings: InterventionSettings,
) -> tuple[Tensor, Doubles]:
    """Beginnings [B, K, P] -> tokens [B, K, T], outcomes [B, len(OUTCOMES)].

    Clip b has seed ``settings.seed + b`` in every condition, and the same place in a batch of the same size.
    """
    begins = prefixes.shape[2]
    clips = prefixes.shape[0]
    steering: Mixer | None = None
    automation: Automation | None = None
    if condition.acted is not None and condition.way is not None:
        steering = Mixer([direction(condition.acted, condition.way, settings.amount)], spec=model.spec)
        automation = Automation([Lane(ACTED, ((0, 0.0), (begins - 1, 0.0), (begins, 1.0)))])
    tokens = model.generate(
        None,
        seeds=[settings.seed + clip for clip in range(clips)],
        seconds=begins / model.codec.frame_rate_hz + settings.seconds,
        guidance=settings.guidance,
        temperature=settings.temperature,
        top_k=settings.top_k,
        steering=steering,
        automation=automation,
        prefix=prefixes,
        batch=clips,
    )
    if not torch.equal(tokens[:, :, :begins], prefixes.to(tokens.dtype)):
        raise ControlError(f"condition {condition.name} changed the given beginning: nothing can be compared")
    return tokens, outcomes(model, detector, tokens, begins)


def weigh(
    candidate: str, found: Mapping[str, Doubles], all: Sequence[Condition], tracks: Sequence[str]
) -> JsonObject:
    """Outcomes [B, M] of every condition by name -> one candidate's effects, its controls' and its selectivity.

    Raises ControlError where the bypass, a way, the local feature or the twins were not played.
    """
    if BYPASS not in found:
        raise ControlError(f"{candidate}: the bypass was not played: there is nothing to compare with")
    mine = [one for one in all if one.candidate == candidate and one.name in found]
    result: JsonObject = {"id": candidate, "effects": {}, "selectivity": {}, "quality": {}}
    locals_: JsonObject = {}
    randoms: JsonObject = {}
    for way in WAYS:
        by_role = {
            role: [o for o in mine if o.way == way and o.role == role]
            for role in ("feature", "local", "random")
        }
        for role, those in by_role.items():
            if not those:
                raise ControlError(
                    f"{candidate}: {way} of the {role} feature was not played; a control is missing"
                )
        moved = {
            role: [_effects(found[one.name], found[BYPASS], tracks) for one in those]
            for role, those in by_role.items()
        }
        mine_moved = moved["feature"][0]
        result["effects"][way] = mine_moved["likeness"]
        result["quality"][way] = {name: mine_moved[name] for name in OUTCOMES if name != "likeness"}
        locals_[way] = moved["local"][0]
        randoms[way] = [{name: one[name]["value"] for name in OUTCOMES} for one in moved["random"]]
        points = [_point(one) for one in moved["random"]]
        result["selectivity"][way] = {
            **_both(_point(mine_moved), points, -1.0 if way == "ablate" else 1.0),
            "local": _both(_point(moved["local"][0]), points, -1.0 if way == "ablate" else 1.0),
        }
    result["controls"] = {
        "random features": randoms,
        "local feature": locals_,
        BYPASS: {name: float(found[BYPASS][:, n].mean()) for n, name in enumerate(OUTCOMES)},
    }
    result["pairs"] = len(tracks)
    return result


def _effects(acted: Doubles, bypass: Doubles, tracks: Sequence[str]) -> dict[str, dict[str, float]]:
    return {name: effect(acted[:, n], bypass[:, n], tracks) for n, name in enumerate(OUTCOMES)}


def _point(effects: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {"recurrence": effects["likeness"]["value"], "quality": effects["ce_0"]["value"]}


def _both(candidate: Mapping[str, float], twins: Sequence[Mapping[str, float]], sense: float) -> JsonObject:
    """Selectivity in the sense expected of a feature that rises before returns, and ``against`` in the other one."""
    return {
        **selectivity(candidate, twins, sense=sense),
        "p_against": selectivity(candidate, twins, sense=-sense)["p"],
    }
