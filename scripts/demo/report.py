"""Prints what the demo's agent tried and what stood in its way. The kernel leaves no record of a refusal: rule and layer
are attributed here, afterwards, by asking `alos policy explain` about the same request."""
import json
import os
import subprocess
import sys

workspace, policy = sys.argv[1:3]


def layer_of():
    """The agent's report is one of its writes: it lies in the layer, and `alos diff` shows it."""
    shown = subprocess.run(["alos", "diff", "--json"], cwd=workspace, capture_output=True, text=True, check=False)
    return json.loads(shown.stdout)["layer"]


def explain(request):
    out = subprocess.run(["alos", "policy", "explain", "--policy", policy, "--json", request], cwd=workspace,
                         capture_output=True, text=True, check=False)
    return json.loads(out.stdout) if out.stdout else {}


def attribute(attempt):
    request = attempt["request"]
    if request.startswith("limit "):
        return "limit '" + request[6:] + "', held by the kernel"
    if request.startswith("net."):
        return "no network in the box but its own loopback"
    answer = explain(request)
    rule = answer.get("rule") or "default"
    if "/hooks/" in request:
        return f"rule '{rule}' lets it write in the layer; apply holds it back"
    by = (answer.get("enforced") or ["box: nothing leads there"])[0].split(";")[0]
    return f"{answer.get('effect', '?')} by rule '{rule}'; {by}"


with open(os.path.join(layer_of(), "upper", "attempts.json")) as file:
    attempts = json.load(file)
for attempt in attempts:
    print(f"  {attempt['what']:36} {attempt['result'][:26]:28} {attribute(attempt)}")
