#!/bin/sh
# A worker around the command line of a coding agent: `tasq run --worktree -- sh examples/agent.sh AGENT [ARGUMENT]…`,
# where AGENT reads a prompt on standard input, works in the current folder and prints its answer.
set -eu

here=$(dirname "$0")
mark=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')

# The template's {{task}} becomes the task as JSON, in one pass: what a task says is never taken for a placeholder. It
# stands between two lines that nobody who wrote it could know.
prompt=$(jq -r --rawfile template "$here/agent-prompt.md" --arg mark "$mark" \
    '. as $task | $template | split("{{task}}")
     | join("<task-\($mark)>\n\($task | tojson)\n</task-\($mark)>")' "$TASQ_TASK_FILE")

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
status=0
printf '%s\n' "$prompt" | "$@" >"$answer" || status=$?
cat "$answer"
if [ "$status" -ne 0 ]; then
    echo "the agent ended with $status"
    exit 1
fi

# The agent's last line is its report, and so becomes ours; without one the attempt has failed.
if ! tail -n 1 "$answer" | jq -e 'has("verdict")' >/dev/null 2>&1; then
    echo 'the agent did not report'
    exit 1
fi
tail -n 1 "$answer"
