"""What the user sees and sets -> plain observable Python; knows nothing of Qt."""

from drawbar_desktop.state.hearing import Hearing
from drawbar_desktop.state.lanes import Lanes
from drawbar_desktop.state.library import Library
from drawbar_desktop.state.macros import Macros
from drawbar_desktop.state.midi import MidiMap
from drawbar_desktop.state.observable import Event, Value
from drawbar_desktop.state.presets import Presets
from drawbar_desktop.state.rack import Rack, Strip
from drawbar_desktop.state.settings import Settings
from drawbar_desktop.state.slots import Slots
from drawbar_desktop.state.takes import History, TakeStore
from drawbar_desktop.state.timeline import Timeline
from drawbar_desktop.state.transport import Transport
from drawbar_desktop.state.undo import UndoStack
from drawbar_desktop.state.votes import Votes

__all__ = [
    "Event",
    "Hearing",
    "History",
    "Lanes",
    "Library",
    "Macros",
    "MidiMap",
    "Presets",
    "Rack",
    "Settings",
    "Slots",
    "Strip",
    "TakeStore",
    "Timeline",
    "Transport",
    "UndoStack",
    "Value",
    "Votes",
]
