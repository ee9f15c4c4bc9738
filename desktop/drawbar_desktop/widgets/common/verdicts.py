"""A verdict of the evidence -> its sign, colour token and what it means, in words; never colour alone."""

VERDICTS = {
    "proven": ("check-decagram", "good", "Proven: does what the label says, shown against controls"),
    "weak": ("decagram-outline", "accent", "Weak: an effect, but not beyond doubt"),
    "not shown": ("circle-off-outline", "text_faint", "Not shown: tested, no effect found"),
    "harmful": ("alert-outline", "warn", "Harmful: quality goes before an effect comes"),
    "untested": ("help-circle-outline", "text_faint", "Untested: nobody has proven what it does"),
}
