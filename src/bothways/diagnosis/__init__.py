"""The likely causes of a failed connection: `explain(error, facts.situation())`."""

from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnose import explain, explain_verdict
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight, facts_of
from bothways.diagnosis.observer import HandshakeFacts
from bothways.diagnosis.replies.reply import ServiceRefusal
from bothways.diagnosis.services.refusals import explain_answer, explain_ended, refusal_in
from bothways.diagnosis.situation import Files, Observed, OwnSide, Probed, Situation

__all__ = [
    "Cause",
    "Explanation",
    "Files",
    "HandshakeFacts",
    "Likely",
    "Observed",
    "OwnSide",
    "Party",
    "Probed",
    "ServiceRefusal",
    "Situation",
    "Weight",
    "explain",
    "explain_answer",
    "explain_ended",
    "explain_verdict",
    "facts_of",
    "refusal_in",
]
