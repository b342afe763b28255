"""The one exception a user is meant to see."""


class UserError(Exception):
    """Something the user can mend: one sentence that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """
