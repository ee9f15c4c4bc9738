"""A slider's controls -> checked, and what each does at the slider's own norms.

A control that is missing, that is the slider itself, or that was never played at a norm of the slider's, is refused:
nothing stands in for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from drawbar.errors import BadInputError, ControlError
from drawbar.evidence.statistics.responses import Responses
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.slopes import location, prompt_weights

BASELINE = "difference in means"
_OTHER_LAYER = "wrong layer"
_NO_NORM = "pass-through"


@dataclass(frozen=True)
class Control:
    """What is put beside a slider."""

    kind: str
    layer: int
    digest: str
    """Of its vector; empty for pass-through, which has none."""
    scale: float | None
    """The norm per amount; None for pass-through."""
    responses: Responses
    guards: Responses | None = None


@dataclass(frozen=True)
class Slider:
    """One preregistered candidate with everything that was played for it. Raises BadInputError for a bad scale."""

    id: str
    layer: int
    scale: float
    """The norm that amount 1 adds to the residual."""
    digest: str
    """Of its vector."""
    target: str | None = None
    """The measure that its label names; None where no judge can hear the label."""
    second: str | None = None
    """Another judge's measure of the same."""
    barred: frozenset[str] = frozenset()
    """Judges that wrote its label."""
    responses: Responses | None = None
    """None for a candidate that was not confirmed."""
    guards: Responses | None = None
    controls: Mapping[str, Control] = field(default_factory=dict)
    dropped: bool = False
    """Survived the screening, but was left out for want of time."""

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise BadInputError(
                f"{self.id}: scale {self.scale}: amount 1 must add something; give a norm above 0"
            )
        if self.responses is not None and self.guards is None:
            raise BadInputError(f"{self.id} was played without guards: measure them for the same takes")


def check_controls(slider: Slider, settings: StatisticsSettings) -> None:
    """Raises ControlError for a control that is missing, identical to the slider, or of another norm."""
    wanted = (*settings.controls, *((BASELINE,) if slider.target is not None else ()))
    for kind in wanted:
        if kind not in slider.controls:
            raise ControlError(
                f"{slider.id} has no control {kind!r}: play it beside the slider, nothing replaces it"
            )
    for kind, control in slider.controls.items():
        same = control.digest == slider.digest and control.layer == slider.layer
        if same or (control.digest == slider.digest and kind != _OTHER_LAYER):
            raise ControlError(
                f"{slider.id}: its control {kind!r} is the slider itself ({slider.digest[:12]}): take another direction"
            )
        if kind == _OTHER_LAYER and control.layer == slider.layer:
            raise ControlError(
                f"{slider.id}: its control {kind!r} is at layer {slider.layer} too: take another layer"
            )
        if kind != _NO_NORM:
            _check_norm(slider, control, settings)


def _check_norm(slider: Slider, control: Control, settings: StatisticsSettings) -> None:
    if control.scale is None:
        raise ControlError(f"{slider.id}: its control {control.kind!r} has no norm: say what amount 1 adds")
    if control.kind == _OTHER_LAYER and abs(control.scale / slider.scale - 1) > settings.norm_tolerance:
        raise ControlError(
            f"{slider.id}: its control {control.kind!r} adds {control.scale:g} per amount, the slider "
            f"{slider.scale:g}: play both at the same norm"
        )
    if slider.responses is not None and slider.responses.amounts and not _matched(slider, control, settings):
        raise ControlError(
            f"{slider.id}: its control {control.kind!r} was played at no norm of the slider's ({slider.scale:g} per "
            "amount): play it within the slider's range"
        )


def _matched(slider: Slider, control: Control, settings: StatisticsSettings) -> list[float]:
    """The slider's amounts whose norm lies inside what the control was played at, on the same side."""
    if slider.responses is None:
        return []
    if control.scale is None:
        return list(control.responses.amounts)
    found = []
    for amount in slider.responses.amounts:
        side = control.responses.side(1 if amount > 0 else -1)
        if side and abs(amount) * slider.scale <= abs(side[-1]) * control.scale * (
            1 + settings.norm_tolerance
        ):
            found.append(amount)
    return found


def shown(
    slider: Slider, control: Control, column: int, sd: float, settings: StatisticsSettings
) -> dict[str, object]:
    """A control's effects at the slider's amounts, as the card shows them.

    Linear between the norms that it was played at; amounts beyond them are left out.
    """
    responses = control.responses
    played = responses.amounts
    effects = location(responses.differences(played)[:, :, column], prompt_weights(responses.prompts)) / sd
    if control.scale is None:
        doses = list(zip(played, effects.tolist(), strict=True))
    else:
        norms = np.concatenate([[0.0], control.scale * np.array(played)])
        order = norms.argsort()
        wanted = _matched(slider, control, settings)
        at = np.interp(slider.scale * np.array(wanted), norms[order], np.concatenate([[0.0], effects])[order])
        doses = list(zip(wanted, at.tolist(), strict=True))
    return {"layer": control.layer, "doses": [{"amount": a, "effect": effect} for a, effect in doses]}
