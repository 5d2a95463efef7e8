"""What a connector raises when it could not do its work, told apart by who must act next.

    ConnectorError              never raised itself
    ├── Retryable               nobody: the provider did not take it; later, at the earliest `after` from now
    ├── InDoubt                 an admin: all was handed over and no answer came, so it may have arrived
    ├── Permanent               an admin: this message to this recipient will never be taken
    │   └── Unsupported         an author: the provider cannot express what was asked for
    └── Misconfigured           an operator: nothing will go until a setting or an account is mended

A connector knows for certain that nothing was accepted when it raises anything but `InDoubt`.

The message names the provider, what happened and the next action, and holds no personal value. What the provider said
may hold an address: it stands in `provider_words`, which goes to `store` and nowhere else (no log, no metric, no
history).
"""

from datetime import timedelta


class ConnectorError(Exception):
    """The root. `code` is the provider's own status, as `550` or `429`, where it gave one.

    `may_be_billed` is for writers: an answer began, and may have to be paid though it broke off.
    """

    may_be_billed = False

    def __init__(self, message: str, *, code: str | None = None, provider_words: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.provider_words = provider_words


class Retryable(ConnectorError):
    """Not taken, for now. `after` is how long the provider asks us to wait; None: it did not say."""

    def __init__(
        self,
        message: str,
        *,
        after: timedelta | None = None,
        code: str | None = None,
        provider_words: str | None = None,
    ) -> None:
        super().__init__(message, code=code, provider_words=provider_words)
        self.after = after


class InDoubt(ConnectorError):
    """The whole message was handed over and no answer came that says whether it was taken."""


class Permanent(ConnectorError):
    """Refused for good: the same message to the same recipient would be refused again."""


class Unsupported(Permanent):
    """The provider has no way to express this."""


class Misconfigured(ConnectorError):
    """No message would be taken. `setting` is the setting to look at, where it is known."""

    def __init__(
        self,
        message: str,
        *,
        setting: str | None = None,
        code: str | None = None,
        provider_words: str | None = None,
    ) -> None:
        super().__init__(message, code=code, provider_words=provider_words)
        self.setting = setting
