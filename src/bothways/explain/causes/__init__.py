"""What a failed connection failed for: `explain(error, witness.situation())`."""

from bothways.explain.causes.answers import explain_answer
from bothways.explain.causes.explain import explain, explain_verdict
from bothways.explain.causes.explanation import Explanation, Likely, Weight, facts_of
from bothways.explain.causes.situation import Files, Ours, Seen, Situation
from bothways.explain.causes.table import Cause, Party
from bothways.explain.causes.witness import Witness

__all__ = [
    "Cause",
    "Explanation",
    "Files",
    "Likely",
    "Ours",
    "Party",
    "Seen",
    "Situation",
    "Weight",
    "Witness",
    "explain",
    "explain_answer",
    "explain_verdict",
    "facts_of",
]
