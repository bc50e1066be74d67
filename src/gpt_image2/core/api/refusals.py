"""What a refusal means, and its cure: one row for each thing that servers refuse for.

The policy of what is sent again (`retry`) and the explanations (`explain`) both read this table, so that one
more relay's way to say the same is one more word in its row. Pure.
"""

from __future__ import annotations

import re
from typing import Optional, Tuple, Type

from ..base.errors import (
    ApiError,
    AuthenticationError,
    GptImage2Error,
    ModerationError,
    NetworkError,
    QuotaError,
    RateLimitError,
)
from ..base.record import Record


class Refusal(Record):
    """One reason to refuse. `codes` and `words` are patterns: of a whole error code or type, and of a part of
    the message. `statuses` mean it where neither code nor words mean anything; `under` is the only status
    that the words count under, 0 for any. `code` is shown where the server gives none.

    What is refused by code or words was not billed, but for what moderation stops: it may have been made.
    """

    raises: Type[GptImage2Error]
    code: str
    cure: str = ""
    codes: str = ""
    words: str = ""
    statuses: Tuple[int, ...] = ()
    under: int = 0


_QUOTA_CODES = (
    r"insufficient_(?:user_)?(?:quota|balance|credits?|funds)|pre_consume_token_quota_failed|quota_exhausted"
    r"|credit_balance_exhausted|billing_hard_limit_reached|payment_required|(?:spend|usage)_limit_exceeded"
    r"|budget_exceeded"
)
_MODERATION_CODES = (
    r"moderation_blocked|content_policy_violation|content_?filter(?:ed)?|(?:image_)?safety|prohibited_content"
)

QUOTA = Refusal(
    QuotaError,
    "insufficient_quota",
    "add credit or raise the limit in the provider's billing settings",
    codes=_QUOTA_CODES + r"|\w{1,100}_(?:spend|usage)_limit_exceeded",
    words=_QUOTA_CODES
    + r"|exceeded your current quota|quota (?:is |was |has been )?(?:exhausted|not enough|insufficient)"
    r"|(?:insufficient|not enough) (?:user |account |token )?(?:quota|balance|credits?|funds)"
    r"|out of credits?\b|balance is (?:too low|insufficient|not enough)"
    r"|billing hard limit|budget has been exceeded|exceeded ?budget(?: for|:)"
    r"|(?:余额|额度|配额|点数|积分)已?(?:不足|用尽|耗尽|用完)|预扣费额度失败|欠费",
    statuses=(402,),
)
MODERATION = Refusal(
    ModerationError,
    "moderation_blocked",
    "change the prompt or the images; --moderation low is less strict",
    codes=_MODERATION_CODES,
    words=r"moderation_blocked|content_policy_violation|safety system"
    r"|content[ _](?:management )?polic(?:y|ies)|内容政策|内容审核|内容违规|审核[未不]通过"
    r"|(?:blocked|rejected|flagged|stopped) by (?:the )?(?:content )?moderation|(?:in|out)put_moderation"
    r"|content_filtered|(?:\b|_)moderated\b",
)
#: Words that a relay looks for in the prompt itself, before it passes it on.
PROMPT_WORDS = Refusal(
    ModerationError,
    "sensitive_words_detected",
    "change the prompt",
    codes="sensitive_words_detected",
    words=r"sensitive_words_detected|sensitive words? detected|敏感词",
)
#: Known by code and status alone: what is sent again is not guessed from words.
RATE_LIMIT = Refusal(
    RateLimitError, "rate_limit_exceeded", codes="rate_limit_exceeded|slow_down", statuses=(429,)
)
OVERLOAD = Refusal(
    ApiError,
    "overloaded",
    "the server is overloaded; try again later",
    codes="server_is_overloaded|overloaded|overloaded_error",
    statuses=(503,),
)
BAD_FIELD = Refusal(ApiError, "bad_request", codes="unknown_parameter|invalid_value", statuses=(400, 422))
PROXY = Refusal(
    NetworkError, "proxy", "set HTTPS_PROXY to it, with its name and its password", statuses=(407,)
)
PLAIN_HTTP = Refusal(
    NetworkError,
    "tls",
    "write https:// in base_url",
    words=r"plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server|plain HTTP to an SSL",
    under=400,
)

#: In the order in which words are looked for.
REFUSALS: Tuple[Refusal, ...] = (
    QUOTA,
    PROMPT_WORDS,
    MODERATION,
    RATE_LIMIT,
    OVERLOAD,
    Refusal(
        AuthenticationError,
        "invalid_api_key",
        "check the key: config --show says where it comes from",
        codes="invalid_api_key|expired_key|token_not_found_in_db|no_db_connection",
        words=r"(?:incorrect|invalid) api key|无效的令牌|令牌(?:已过期|无效|不可用)",
        statuses=(401,),
    ),
    Refusal(
        AuthenticationError,
        "organization_not_verified",
        "verify the organisation in the provider's settings (up to 15 minutes until it counts)",
        words="verif",
        under=403,
    ),
    Refusal(
        AuthenticationError,
        "unsupported_region",
        "the API is not offered where you are",
        codes="unsupported_country_region_territory",
        words="country|region",
        under=403,
    ),
    Refusal(
        AuthenticationError, "forbidden", "this key may not do that; check its permissions", statuses=(403,)
    ),
    Refusal(
        ApiError,
        "model_not_found",
        "check --model, and that your account may use it",
        codes=r"model_not_found|DeploymentNotFound|\w{1,100}_model_access_denied",
        words="no available channel|无可用渠道|没有可用的?渠道|the model .{1,100} does not exist",
    ),
    Refusal(
        ApiError,
        "model_not_found",
        "check --model, and that your account may use it",
        words=r"(?:invalid|unknown|unsupported) model\b|\bmodel \S{1,100} (?:is )?not (?:found|supported)\b",
        under=400,
    ),
    Refusal(
        ApiError,
        "model_not_found",
        "check --model, and that your account may use it",
        words="model",
        under=404,
    ),
    BAD_FIELD,
    Refusal(ApiError, "not_found", "check base_url; it usually ends in /v1", statuses=(404,)),
    PROXY,
    PLAIN_HTTP,
)


def refusal_by_code(*names: str) -> Optional[Refusal]:
    """What an error's code or its type says that was refused, None where they say nothing known."""
    for name in names:
        for refusal in REFUSALS:
            if refusal.codes and re.fullmatch(refusal.codes, name, re.I):
                return refusal
    return None


def refusal_by_words(message: str, status: int) -> Optional[Refusal]:
    """What a message says that was refused, None where it says nothing known."""
    for refusal in REFUSALS:
        if refusal.words and refusal.under in (0, status) and re.search(refusal.words, message, re.I):
            return refusal
    return None


def refusal_by_status(status: int) -> Optional[Refusal]:
    """What a status means by itself, None where that is nothing in particular."""
    return next((refusal for refusal in REFUSALS if status in refusal.statuses), None)
