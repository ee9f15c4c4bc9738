"""What the user sees and sets -> plain observable Python; knows nothing of Qt."""

from drawbar_desktop.state.library import Library
from drawbar_desktop.state.observable import Event, Value
from drawbar_desktop.state.rack import Rack, Strip
from drawbar_desktop.state.timeline import Timeline
from drawbar_desktop.state.transport import Transport
from drawbar_desktop.state.undo import UndoStack

__all__ = ["Event", "Library", "Rack", "Strip", "Timeline", "Transport", "UndoStack", "Value"]
