"""A verdict of the evidence -> its sign, colour token and what it means, in words; never colour alone."""

VERDICTS = {
    "proven": ("check-decagram", "good", "Proven: does what the label says, shown against controls"),
    "weak": ("decagram-outline", "accent", "Weak: an effect, but not beyond doubt"),
    "not shown": ("circle-off-outline", "text_faint", "Not shown: tested, no effect found"),
    "harmful": ("alert-outline", "warn", "Harmful: quality goes before an effect comes"),
    "untested": ("help-circle-outline", "text_faint", "Untested: nobody has proven what it does"),
}
_WAYS = {
    (True, True): ("arrow-up-down-bold", "up and down"),
    (True, False): ("arrow-up-bold", "up only"),
    (False, True): ("arrow-down-bold", "down only"),
}


def tick_of(verdict: str, usable: tuple[float, float] | None) -> tuple[str, str, str]:
    """Sign, colour token and words; a proven slider's sign points where it can be pulled."""
    sign, tone, words = VERDICTS.get(verdict, VERDICTS["untested"])
    if verdict != "proven" or usable is None:
        return sign, tone, words
    way = _WAYS.get((usable[1] > 0, usable[0] < 0))
    return (way[0], tone, f"{words}; {way[1]}") if way else (sign, tone, words)
