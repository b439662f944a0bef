"""The policy of this run."""

from __future__ import annotations

from dataclasses import dataclass

from alos import broker_pb2 as wire
from alos._default import call


@dataclass(frozen=True)
class Decision:
    request: str  # canonical
    effect: str  # "allow", "ask" or "deny"
    layer: str
    rule: str
    source: str
    reason: str
    remedy: str  # of a deny
    enforcer: str  # who holds it: "box", "broker"


def why(request: str) -> Decision:
    """What the policy says to a request, as in "fs.read /srv/app/.env", and who holds it. Nothing is carried out."""
    result, _ = call("policy_why", wire.PolicyWhy(request=request))
    return Decision(result.request, result.effect, result.layer, result.rule, result.source, result.reason,
                    result.remedy, result.enforcer)
