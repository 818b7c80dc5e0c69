#!/usr/bin/env bash
# Faults every system call of one deposit, with strace: SIGKILL on entry, EIO and ENOSPC as its result. After each the
# archive is opened without the fault and judged: what was acknowledged is there with its receipt and its bytes, what was
# refused left nothing, the journal has no gap, an index rebuilt from the store is the one that followed, the same
# transfer can be deposited again, the verifier accepts its proof, and the audit accepts the site.
#
# Usage: tests/foreign/deposit-strace.sh [FOLDER]
# FOLDER lies on the file system to be judged (default: a new one under $TMPDIR). REPLAY="large caller openat 1 EIO" makes
# one fault only and keeps what it leaves.
set -euo pipefail
cd "$(dirname "$0")/../.."

PARALLEL=3
PATIENCE=20

skip() {
    echo "SKIPPED: $1"
    exit 0
}
command -v strace >/dev/null || skip "no strace"
strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"

cargo build --quiet -p cartulaire-tests --bins
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
export depositor=$target/debug/depositor
work=$(mktemp -d -p "${1:-${TMPDIR:-/tmp}}")
export work PATIENCE
if [ -z "${REPLAY:-}" ]; then trap 'rm -rf "$work"' EXIT; fi

"$depositor" make "$work/template" "$target/debug/service"
# Every process then finds what all but the first find: an archive that was opened before.
echo SMALL-0 | "$depositor" check "$work/template" SMALL-0 >/dev/null

transfer_of() { if [ "$1" = large ]; then echo LARGE-1; else echo SMALL-1; fi; }
export -f transfer_of

# begin CASE DIR: starts a deposit in a copy of the template and returns when it is about to begin; sets pid.
begin() {
    rm -rf "$2" && mkdir "$2" && cp -a "$work/template" "$2/archive" && mkfifo "$2/go"
    "$depositor" once "$2/archive" "$(transfer_of "$1")" <"$2/go" >"$2/out" 2>"$2/err" &
    pid=$!
    exec 3>"$2/go"
    until grep -qs '^BEGIN' "$2/out"; do
        kill -0 "$pid" || return 1
        sleep 0.01
    done
}

# attach DIR PID OPTION...: traces and returns once strace is attached; sets tracer.
attach() {
    local dir=$1 traced=$2
    shift 2
    strace -y -p "$traced" -o "$dir/trace" "$@" 2>"$dir/strace" &
    tracer=$!
    until grep -qs attached "$dir/strace"; do
        kill -0 "$tracer" || return 1
        sleep 0.01
    done
}

# The threads that a deposit passes through, in the order of their making: caller, committer, publisher.
threads() { # pid
    local task place=0
    for task in $(cd "/proc/$1/task" && echo * | tr ' ' '\n' | sort -n); do
        if [ "$task" = "$1" ]; then
            echo "caller $task"
        elif [ "$(cat "/proc/$1/task/$task/comm")" = committer ]; then
            place=$((place + 1))
            if [ $place = 1 ]; then echo "committer $task"; else echo "publisher $task"; fi
        fi
    done
}
export -f begin attach threads

# record CASE: every call between the first line that the caller reads and the line that it prints, as
# "thread syscall ordinal", where the ordinal is strace's own: the thread's calls of that name since it was attached.
record() {
    local dir=$work/record-$1
    begin "$1" "$dir"
    threads "$pid" >"$dir/threads"
    attach "$dir" "$pid" -f
    echo >&3
    exec 3>&-
    wait "$pid" "$tracer" || true
    grep -q '^ACK' "$dir/out"
    awk 'NR == FNR { name[$2] = $1; next }
        !($1 in name) { next }
        name[$1] == "caller" && /read resumed|read\(0.*= / { open = 1 }
        $2 ~ /^<\.\.\.|^[+-]/ { next }
        { call = $2; sub(/\(.*/, "", call); n = ++count[$1, call] }
        open && call !~ /^(restart_syscall|sched_yield)$/ { print name[$1], call, n }
        open && /write\(1</ { exit }' "$dir/threads" "$dir/trace"
}

# fault CASE THREAD SYSCALL ORDINAL FAULT: makes the fault, judges what it leaves, prints a line of the table.
fault() {
    local dir=$work/$1-$2-$3-$4-$5 pid tracer how=error=$5
    [ "$5" = KILL ] && how=signal=KILL
    begin "$1" "$dir"
    attach "$dir" "$(threads "$pid" | awk -v name="$2" '$1 == name { print $2 }')" -e "trace=$3" -e "inject=$3:$how:when=$4"
    # Who was killed already reads nothing more.
    echo >&3 || true
    exec 3>&-
    local status=0 outcome verdict
    (sleep "$PATIENCE" && touch "$dir/hung" && kill -KILL "$pid") >/dev/null 2>&1 &
    local alarm=$!
    wait "$pid" 2>/dev/null || status=$?
    kill "$alarm" 2>/dev/null || true
    wait "$tracer" 2>/dev/null || true
    outcome=$(awk '$1 != "BEGIN" { print tolower($1) }' "$dir/out")
    [ -n "$outcome" ] || outcome=$([ "$status" = 137 ] && echo killed || echo died)
    [ ! -e "$dir/hung" ] || outcome=hung
    grep -q 'INJECTED\|killed by SIGKILL' "$dir/trace" || outcome=unreached-$outcome
    if verdict=$("$depositor" check "$dir/archive" "$(transfer_of "$1")" <"$dir/out" 2>"$dir/check"); then
        verdict="sound: $verdict"
    else
        verdict="LOST: $(grep -v '^note:' "$dir/check" | tail -n 1)"
    fi
    printf '%-6s %-10s %-12s %2s  %-7s %-14s %s\n' "$1" "$2" "$3" "$4" "$5" "$outcome" "$verdict"
    [ -n "${REPLAY:-}" ] || rm -rf "$dir"
}
export -f fault

if [ -n "${REPLAY:-}" ]; then
    # shellcheck disable=SC2086
    fault $REPLAY
    echo "left in $work"
    exit
fi

# No kernel answers futex with either error: an error in place of a wake would only lose it. Yielding is not a step of
# the deposit, and comes as often as the scheduler likes.
for case in small large; do
    record "$case" | sed "s/^/$case /"
done >"$work/calls"
echo "$(wc -l <"$work/calls") system calls of two deposits, one in its commit and one beyond 1 MiB"
printf '%-6s %-10s %-12s %2s  %-7s %-14s %s\n' case thread call nr fault outcome "what is left"
awk '{ print $0, "KILL" } $3 != "futex" { print $0, "EIO"; print $0, "ENOSPC" }' "$work/calls" >"$work/faults"
xargs <"$work/faults" -P "$PARALLEL" -d '\n' -n 1 bash -c 'set -uo pipefail; trap "" PIPE; fault $0 || true' 2>>"$work/stderr" | tee "$work/table"

faults=$(wc -l <"$work/faults")
count() { grep -c "$1" "$work/table" || true; }
echo
echo "$(count sound:) of $faults sound; told: $(awk '{ print $6 }' "$work/table" | sort | uniq -c | awk '{ printf "%s%s %s", sep, $1, $2; sep = ", " }')"
# How often a thread waits is the scheduler's choice; every other call must have been reached.
unreached=$(awk '/ unreached/ && $3 != "futex"' "$work/table" | wc -l)
if [ "$(count sound:)" != "$faults" ] || [ "$(count ' hung ')" != 0 ] || [ "$unreached" != 0 ]; then
    echo "FAILED; a line is made again by REPLAY=\"case thread call nr fault\" $0"
    exit 1
fi
