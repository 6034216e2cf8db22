"""The one exception that means "the user can fix this"."""


class UserError(ValueError):
    """A user's mistake, told in one line: the field, what it got, what is allowed.

    The command prints the message and exits with code 2, without a stack trace.
    """
