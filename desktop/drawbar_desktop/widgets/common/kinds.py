"""A kind of sound -> its sign and its name; its colour is the palette's of the same name. Never colour alone."""

from drawbar_desktop.state.library import KINDS

KIND_SIGNS = {
    "instrument": "piano",
    "rhythm": "metronome",
    "harmony": "music-clef-treble",
    "timbre": "equalizer",
    "dynamics": "volume-high",
    "": "help-circle-outline",
}
KIND_TITLES = dict(KINDS)
