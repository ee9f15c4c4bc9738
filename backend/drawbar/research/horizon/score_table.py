"""The detector's score -> a page of Markdown: the bars, recall by kind and instrument, settings, the command."""

import json
from dataclasses import asdict

from drawbar.research.horizon.recurrence import RecurrenceSettings
from drawbar.research.horizon.scoring import BARS, Score, Share


def score_markdown(
    score: Score, settings: RecurrenceSettings, *, split: str, seconds: float, seed: int
) -> str:
    """What `drawbar study score` prints and writes."""
    bars = [
        ("precision of the proposals", score.precision, BARS["precision"]),
        ("recall of exact and transposed returns", score.recall, BARS["recall"]),
        ("texture pieces in which nothing was proposed", score.texture, BARS["texture"]),
    ]
    others = [
        *((f"recall of {kind} returns", share) for kind, share in score.by_kind.items()),
        ("pairs of windows some loops apart in texture pieces, not proposed", score.texture_pairs),
        ("pieces whose motif is heard once, with no proposal", score.single),
        ("transposition right to the semitone", score.right_kind),
    ]
    lines = [
        "# Recurrence detector",
        "",
        f"`drawbar study score --pieces {score.tracks} --split {split} --seconds {seconds:g} --seed {seed}`: "
        f"{score.tracks} composed pieces of the {split} split, with a lead motif that returns exact, transposed (by "
        "semitones, over unchanged chords), varied or not at all, or with a loop and no motif "
        f"({', '.join(f'{n} {plant}' for plant, n in score.plants.items())}); {score.proposals} proposals. "
        "In brackets: 95 % intervals (Wilson). The settings were tuned on the train split.",
        "",
        "| bar | measured | at least | |",
        "|---|---|---|---|",
        *(
            f"| {name} | {_share(s)} | {bar:g} | {'yes' if s.value >= bar else 'no'} |"
            for name, s, bar in bars
        ),
        "",
        "| beside the bars | measured |",
        "|---|---|",
        *(f"| {name} | {_share(share)} |" for name, share in others),
        f"| median error of where the motif is heard again | {score.start_error_s:.2f} s |",
        "",
        "| lead | recall of exact and transposed returns |",
        "|---|---|",
        *(f"| {name} | {_share(share)} |" for name, share in score.by_instrument.items()),
        "",
        "A proposal is right when a pair of times at which the motif is heard has the same lag within 0.5 s and shares",
        "at least half of the shorter window at both ends. A return is found when a right proposal touches it.",
        "",
        f"Settings: `{json.dumps(asdict(settings), separators=(',', ':'))}`",
    ]
    return "\n".join(lines) + "\n"


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.2f} ({share.part} of {share.whole}; {low:.2f} to {high:.2f})"
