"""The address of a group: ``job/<job>{/<label>/<value>}`` read as the Pushgateway does.

A label name (or ``job``) that ends in ``@base64`` says that its value is URL-safe base64:
the only way to write a value that is empty or has a slash. Errors are ``InvalidArgument``.
"""

import base64
import binascii

from nucleus.core.errors import InvalidArgument
from nucleus.services.monitoring.text_format import LABEL_NAME, Labels

_BASE64 = "@base64"


def parse_grouping(path: str) -> Labels:
    """Return the labels of a group from the decoded path behind ``/metrics/``."""
    parts = path.split("/")
    if len(parts) == 3 and not parts[2]:
        parts.pop()  # a trailing slash behind the job is tolerated
    if len(parts) % 2 or parts[0] not in ("job", "job" + _BASE64):
        raise InvalidArgument(
            f"path {path!r}: expected /metrics/job/<job>{{/<label>/<value>}}, "
            "with values that are empty or have a slash in the @base64 form"
        )
    pairs = [_pair(name, value) for name, value in zip(parts[::2], parts[1::2], strict=True)]
    job = pairs[0]
    if not job[1]:
        raise InvalidArgument("label 'job' in the path is empty; it must not be")
    return tuple(sorted(dict([*pairs, job]).items()))  # the first job wins, as it says the group


def _pair(name: str, value: str) -> tuple[str, str]:
    label = name.removesuffix(_BASE64)
    if not LABEL_NAME.fullmatch(label):
        raise InvalidArgument(f"invalid label name {label!r} in the path")
    if label != name:
        return label, _decode(label, value)
    if not value:
        raise InvalidArgument(f"label {label!r} in the path is empty; write {label}@base64/=")
    return label, value


def _decode(label: str, value: str) -> str:
    padded = value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)
    try:
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        return raw.decode()
    except (binascii.Error, ValueError) as reason:
        raise InvalidArgument(
            f"label {label!r} in the path: {value!r} is not base64 of UTF-8 text ({reason})"
        ) from None
