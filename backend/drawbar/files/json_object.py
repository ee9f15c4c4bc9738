"""The type of a JSON object that was read; what a program writes itself is ``dict[str, object]`` or a record."""

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
"""Its values are what the file says: read them with a check, or into a record (`drawbar.files.reading.typed`)."""
JsonMapping = Mapping[str, Any]
"""The same, not to be changed."""
