"""Errors that users see."""


class UserError(Exception):
    """An error that the user can fix.

    Its message says what is wrong, then what to do. The command line prints it without a traceback and exits
    with status 2.

    Example:
        >>> raise UserError("invalid port 70000: use 0 to 65535")
        Traceback (most recent call last):
        joules.errors.UserError: invalid port 70000: use 0 to 65535
    """
