"""The statuses of everyday answers.

Each is bound once: to find a member of an Enum by its name costs a call of a function in Python 3.11.
"""

from http import HTTPStatus
from typing import Final

OK: Final = HTTPStatus.OK
PARTIAL_CONTENT: Final = HTTPStatus.PARTIAL_CONTENT
NOT_MODIFIED: Final = HTTPStatus.NOT_MODIFIED
UNAUTHORIZED: Final = HTTPStatus.UNAUTHORIZED
NOT_FOUND: Final = HTTPStatus.NOT_FOUND
NOT_ACCEPTABLE: Final = HTTPStatus.NOT_ACCEPTABLE
SERVICE_UNAVAILABLE: Final = HTTPStatus.SERVICE_UNAVAILABLE
