"""Two thousand different prompts, all of musical words, the same on every machine."""

from collections import Counter

from drawbar.corpus import own_prompts
from drawbar.corpus.own_prompts import COUNT, prompt


def test_there_are_two_thousand_different_prompts_and_they_begin_again() -> None:
    lines = [prompt(n) for n in range(COUNT)]
    assert len(set(lines)) == COUNT
    assert prompt(COUNT) == lines[0]
    assert all(len(line) < 120 for line in lines)


def test_every_factor_stands_in_enough_prompts_to_be_told_from_the_others() -> None:
    counts = Counter(
        word
        for n in range(COUNT)
        for word in (*own_prompts.INSTRUMENTS, *own_prompts.GENRES, *own_prompts.MOODS)
        if word in prompt(n)
    )
    assert min(counts[w] for w in own_prompts.INSTRUMENTS + own_prompts.GENRES + own_prompts.MOODS) >= 30
