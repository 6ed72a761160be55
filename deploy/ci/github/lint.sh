#!/usr/bin/env bash
# Runs admit lint with the inputs of the action, one path a line.
set -uo pipefail

arguments=("--fail-on=$ADMIT_FAIL_ON" --output text --output "sarif=$ADMIT_SARIF")
while IFS= read -r line || [[ -n "$line" ]]; do
  [[ -z "$line" ]] || arguments+=("--policies=$line")
done <<< "$ADMIT_POLICIES"
[[ -z "$ADMIT_BASELINE" ]] || arguments+=("--baseline=$ADMIT_BASELINE")
[[ -z "$ADMIT_SINCE" ]] || arguments+=("--since=$ADMIT_SINCE")
# What follows is a path, also when it begins with a dash.
arguments+=(--)
while IFS= read -r line || [[ -n "$line" ]]; do
  [[ -z "$line" ]] || arguments+=("$line")
done <<< "$ADMIT_PATHS"

"$ADMIT" lint "${arguments[@]}"
code=$?
# A name with a line end in it would write outputs of its own.
echo "sarif=${ADMIT_SARIF//[$'\r\n']/}" >> "$GITHUB_OUTPUT"
echo "exit-code=$code" >> "$GITHUB_OUTPUT"
exit "$code"
