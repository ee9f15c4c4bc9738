"""Trials -> effects, ranks against random directions, usable ranges, verdicts, cards and the summary.

One slider, one measure, with numbers (a test computes them). Two prompts with two seeds each make four pairs; each pair
is played unsteered (its twin) and at amounts 0.5 and 1. The detector's logit of the takes:

    pair                   a, seed 1   a, seed 2   b, seed 1   b, seed 2
    twin                      -3.0        -2.0        -1.0        -2.0
    at 0.5, minus twin        +0.5        +0.6        +0.4        +0.5
    at 1.0, minus twin        +1.1        +1.0        +0.9        +1.4
    slope of the pair         1.08        1.04        0.88        1.32     (0.5 d1 + 1 d2) / (0.25 + 1)

- Unit (``slopes.take_sd``): unsteered takes of one prompt differ by 0.71 (standard deviation over seeds, pooled).
- Dose-response (``slopes.location``): the pairs' slopes have a robust centre of 1.07, so +1 moves the measure by
  1.07 / 0.71 = 1.51 standard deviations. It is *noticeable* (1 standard deviation) from amount 1 / 1.51 = 0.66.
- Rank (``ranking.rank_p``): of 19 random directions of the same norm, played with the same pairs, none has a slope of
  1.07 or more: p = (1 + 0) / (1 + 19) = 0.05. A pool of 19 can say no less.
- Family (``ranking.benjamini_hochberg``): with sliders at p = 0.01, 0.02, 0.05 and 0.2, q = 0.04, 0.04, 0.067, 0.2.
  Below 0.05 a q is *proven* and a p alone *weak*: ours is neither, and against only 19 directions nothing could be.
- Usable range (``usable_range``): a dose at which quality guards break (cross-entropy, loudness, silence, clipping,
  repetition) ends it; an effect that counts only beyond that end makes the slider *harmful*.
- Verdict (``verdicts.judge``): proven, harmful, weak or not shown, in this order.
"""
