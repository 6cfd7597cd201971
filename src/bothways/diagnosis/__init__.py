"""What a failed connection failed for: `explain(error, facts.situation())`."""

from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnose import explain, explain_verdict
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight, facts_of
from bothways.diagnosis.observer import HandshakeFacts
from bothways.diagnosis.service_refusals import explain_answer
from bothways.diagnosis.situation import Files, OwnSide, Seen, Situation

__all__ = [
    "Cause",
    "Explanation",
    "Files",
    "HandshakeFacts",
    "Likely",
    "OwnSide",
    "Party",
    "Seen",
    "Situation",
    "Weight",
    "explain",
    "explain_answer",
    "explain_verdict",
    "facts_of",
]
