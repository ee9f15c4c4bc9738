"""A take's settings -> the command that renders it: text for a terminal."""

import shlex

from drawbar.live.takes.take import TakeSettings


def command_line(settings: TakeSettings) -> str:
    """`drawbar render` with all that it can say; what it cannot (moves, modes) is told by `left_out`."""
    blend = settings.blend
    words = ["drawbar", "render", blend[0].text if blend else settings.prompt, "--seed", str(settings.seed)]
    if settings.seconds is not None:
        words += ["--seconds", f"{settings.seconds:g}"]
    for name, value, usual in (
        ("--guidance", settings.guidance, 3.0),
        ("--temperature", settings.temperature, 1.0),
        ("--top-k", settings.top_k, 250),
    ):
        if value != usual:
            words += [name, f"{value:g}"]
    for id, amount in settings.amounts.items():
        if amount:
            words += ["--amount", f"{id}={amount:+g}"]
    if blend and blend[0].weight != 1:
        words += ["--share", f"{blend[0].weight:g}"]
    for part in blend[1:]:
        words += ["--without" if part.unwanted else "--also", f"{part.text}={part.weight:g}"]
    return shlex.join(words)


def left_out(settings: TakeSettings, *, moved: bool) -> str:
    """What the command line cannot say of a take; empty when it says all."""
    missing = ["moves of the sliders"] if moved else []
    missing += ["clamped or muted sliders"] if settings.modes else []
    return " and ".join(missing)
