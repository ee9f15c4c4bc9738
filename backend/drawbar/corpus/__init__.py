"""Audio that a bank is made from: composed music with ground truth, and folders of recordings."""

from drawbar.corpus.composer.annotate import CONCEPTS, FRAME_RATE_HZ, SCALARS, Annotations, annotate
from drawbar.corpus.composer.compose import HELD_OUT_SEED, compose
from drawbar.corpus.composer.piece import Chord, Motif, Note, Part, Piece, Section
from drawbar.corpus.composer.prompt import prompt_for
from drawbar.corpus.composer.prompt_rules import normalise_prompt
from drawbar.corpus.composer.prompt_words import PROMPT_WORDS, SYNONYMS
from drawbar.corpus.composer.render import DEFAULT_SOUNDFONT, SAMPLE_RATE_HZ, Renderer, render_audio
from drawbar.corpus.dataset import MANIFEST, ManifestRow, read_manifest, split_of, write_corpus
from drawbar.corpus.recordings import AUDIO_SUFFIXES, Recording, read_table, recordings_in, sound_files_in

__all__ = [
    "AUDIO_SUFFIXES",
    "CONCEPTS",
    "DEFAULT_SOUNDFONT",
    "FRAME_RATE_HZ",
    "HELD_OUT_SEED",
    "MANIFEST",
    "PROMPT_WORDS",
    "SAMPLE_RATE_HZ",
    "SCALARS",
    "SYNONYMS",
    "Annotations",
    "Chord",
    "ManifestRow",
    "Motif",
    "Note",
    "Part",
    "Piece",
    "Recording",
    "Renderer",
    "Section",
    "annotate",
    "compose",
    "normalise_prompt",
    "prompt_for",
    "read_manifest",
    "read_table",
    "recordings_in",
    "render_audio",
    "sound_files_in",
    "split_of",
    "write_corpus",
]
