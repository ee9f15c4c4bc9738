"""Names of arms -> what each makes of concepts; the order is that of the table."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter

from drawbar.corpus.naming import concept_label
from drawbar.errors import BadInputError
from drawbar.evidence.methods.arms import contrasts, features
from drawbar.evidence.methods.arms.learned import LearnSettings, learned
from drawbar.evidence.methods.arms.solved import Try, solved
from drawbar.evidence.methods.material import Material
from drawbar.evidence.methods.method import Method, Steer

Arm = Callable[[Material, str], Steer | None]

_ONE_BY_ONE: Mapping[str, Arm] = {
    "feature by activation": features.by_activation,
    "feature by trial": features.by_trial,
    "sparse features": features.sparse,
    "sparse features, two layers": partial(features.sparse, layers=2),
    "difference in means": contrasts.difference_in_means,
    "difference in means, others projected out": contrasts.others_projected_out,
    "probe": contrasts.probe,
    "effect map": solved,
}
LEARNED, PLAYED, WORDS, SHUFFLED = (
    "learned",
    "effect map, played and refitted",
    "words",
    "effect map, shuffled",
)
ARMS = (*_ONE_BY_ONE, PLAYED, LEARNED, WORDS)
BASELINE = "difference in means"
CONTROLS = (SHUFFLED,)
"""Arms that must prove nothing."""


def make(
    name: str,
    material: Material,
    concepts: Sequence[str],
    *,
    trial: Callable[[str], Try] | None = None,
    learning: LearnSettings | None = None,
) -> Method:
    """One arm for all concepts that it can make. ``trial`` plays for the sequential arm, by concept.

    Raises BadInputError for an unknown arm.
    """
    if name == LEARNED:
        return Method(name, learned(material, concepts, learning))
    if name == WORDS:
        return Method(name, {concept: Steer(words=f"with {concept_label(concept)}") for concept in concepts})
    arm = _ONE_BY_ONE.get(name)
    if name not in (*_ONE_BY_ONE, PLAYED, SHUFFLED):
        raise BadInputError(f"arm {name!r} is not known: use {', '.join((*ARMS, *CONTROLS))}")
    found = {}
    for number, concept in enumerate(concepts):
        started = perf_counter()
        if name == PLAYED:
            made = solved(material, concept, rounds=2, trial=None if trial is None else trial(concept))
        elif name == SHUFFLED:
            made = solved(material, concept, shuffled=number, nearness=0.0)
        else:
            made = arm(material, concept) if arm is not None else None
        if made is not None:
            found[concept] = Steer(made.pushes, made.words, made.features, perf_counter() - started)
    return Method(name, found)
