"""What Slack's refusals of a message mean for its thread. Words only, nothing is decided here."""

LOST_CHANNEL = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "not_in_channel",
        "restricted_action",
        "restricted_action_read_only_channel",
        "team_access_not_granted",
    }
)
"""Nothing can be said in the whole channel any more."""
LOST_THREAD = frozenset(
    {
        "thread_not_found",
        "message_not_found",
        "cannot_reply_to_message",
        "restricted_action_thread_locked",
    }
)
"""Nothing can be said in the thread any more."""
NO_ACCESS = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}
)
"""Our token is not accepted; somebody may mend that."""
SHRINK_ON = frozenset({"msg_too_long", "msg_blocks_too_long", "invalid_blocks"})
"""Smaller messages may be taken; without any blocks, where their text alone says all."""
