"""Passwords in URLs stay out of every log line, message and table."""

import logging
import re

# Greedy up to the last `@`: a password that was not percent-encoded may hold `/`, `?` or `@` itself, and hiding a little
# too much of a path is better than showing half a password.
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"<>]*@")
# Cameras also take them in paths and queries: `/user=admin_password=..._channel=1`, `?pwd=...&token=...`.
_PARAMETER = re.compile(
    r"(?P<name>(?:password|passwd|pwd|pass|token|secret|apikey|api_key)=)[^&\s'\"<>;_]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """`text` with the credentials of every URL in it replaced by `***`."""
    return _PARAMETER.sub(r"\g<name>***", _USERINFO.sub(r"\g<scheme>***@", text))


class RedactingFilter(logging.Filter):
    """Redacts whatever a record would print: the last line of defence for a whole process."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; the record leaves without passwords."""
        record.msg = redacted(record.getMessage())
        record.args = None
        if record.exc_info and record.exc_info[0]:  # what a library raised may quote the URL it was given
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
        for name, value in record.__dict__.items():
            if isinstance(value, str) and name != "msg":
                record.__dict__[name] = redacted(value)
        return True
