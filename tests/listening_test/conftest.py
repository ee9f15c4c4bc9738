"""The six-feature bank that the evidence tests use, too."""

from tests.evidence.conftest import six as six
from tests.evidence.conftest import six_assets as six_assets
