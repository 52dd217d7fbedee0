# Sourced by everything under lib/ and tests/. Needs LIBRARY, BUILD, SCRATCH, SPY from c-tests/run.
# shellcheck shell=bash
#
# Results go to stdout, one line each: "pass NAME", "skip NAME: reason", "fail NAME" and indented detail.
# c-tests/run counts them; whatever else a job prints counts as a failure of that job. PREFIX precedes every name.

set -euo pipefail
# One language and one zone for the programs of the system.
export LC_ALL=C TZ=UTC

pass() { printf 'pass %s%s\n' "${PREFIX-}" "$1"; }
skip() { printf 'skip %s%s: %s\n' "${PREFIX-}" "$1" "$2"; }
# fail NAME < detail
fail() {
    printf 'fail %s%s\n' "${PREFIX-}" "$1"
    # Reads to the end: whoever writes must not meet a closed pipe.
    awk 'NR <= 60 { print "    " $0 }'
}

# fresh DIRECTORY: an empty run directory with a home, a config directory and the snippets' files.
fresh() {
    rm -rf "$1"
    cp -a "$SCRATCH/fixture" "$1"
}

# The template that fresh copies; made once by c-tests/run.
make_fixture() {
    local root=$SCRATCH/fixture
    mkdir -p "$root/home/.claude" "$root/work/directory"
    chmod 0755 "$root" "$root/home" "$root/work" "$root/work/directory"
    chmod 0700 "$root/home/.claude"
    printf '{"claudeAiOauth":{"accessToken":"a","refreshToken":"r","expiresAt":1}}' >"$root/home/.claude/.credentials.json"
    chmod 0600 "$root/home/.claude/.credentials.json"
    local file
    for file in file file.lock file.json directory/inner directory/inner2; do
        printf 'content of %s\n' "$file" >"$root/work/$file"
        chmod 0644 "$root/work/$file"
    done
    ln -s directory "$root/work/link"
    ln -s nowhere.lock "$root/work/dangling"
}

# The three ways in which everything runs. The environment is rebuilt: nothing of the caller's gets in.
# in_mode MODE ROOT [NAME=VALUE...] -- COMMAND...: runs COMMAND with HOME in ROOT, in ROOT/work. CHECKER, if it is set,
# is a command that runs it.
in_mode() {
    local mode=$1 root=$2
    shift 2
    local environment=("HOME=$root/home" "PATH=$PATH" "LC_ALL=C" "TZ=UTC" "TEST_ROOT=$root"
        "TEST_MODE=$mode" "TEST_LIBRARY=$LIBRARY")
    case $mode in
        native) ;;
        inert) environment+=("LD_PRELOAD=$LIBRARY" "LOCKSPAN_DISABLE=1") ;;
        active) environment+=("LD_PRELOAD=$LIBRARY") ;;
        *) echo "in_mode: no such mode: $mode" >&2; return 2 ;;
    esac
    while [ "$1" != -- ]; do
        environment+=("$1")
        shift
    done
    shift
    local checker=()
    [ -z "${CHECKER-}" ] || read -r -a checker <<<"$CHECKER"
    # env sets the variables for the command alone: timeout itself runs without the library.
    (cd "$root/work" && exec timeout --kill-after=5 "${TIME_LIMIT:-60}" env -i "${environment[@]}" \
        ${checker[@]+"${checker[@]}"} "$@")
}

# memcheck LOG: for CHECKER, the command by which valgrind runs a program. Each process writes what is wrong with it to
# LOG.PID.
memcheck() {
    printf 'valgrind -q --suppressions=%s --trace-children=yes --error-exitcode=99 --log-file=%s.%%p' \
        "$(dirname "${BASH_SOURCE[0]}")/valgrind.supp" "$1"
}

# complaints LOG: what is wrong, each kind of it once: what the program does, and what valgrind itself could not do.
complaints() { sed -nE 's/^(==|--)[0-9]+(==|--) ([^ ])/\3/p' "$1".* | sort -u; }

# The library that programs which are built with ASan want first.
asan_library() { readlink -f "$(cc -print-file-name=libasan.so)"; }

# differences NATIVE OTHER LABEL: prints what differs, if anything does.
differences() {
    if ! cmp -s "$1" "$2"; then
        printf 'native against %s:\n' "$3"
        diff -U2 "$1" "$2" | tail -n +3 || [ $? -eq 1 ]
    fi
}

# twin NAME ROOT COMMAND...: runs COMMAND three times; stdout, stderr and exit code must be the same.
# TWIN_SETUP, a function's name, prepares each fresh ROOT.
twin() {
    local name=$1 root=$2 mode code
    shift 2
    local -A codes=()
    for mode in native inert active; do
        fresh "$root"
        ${TWIN_SETUP:+"$TWIN_SETUP" "$root"}
        code=0
        in_mode "$mode" "$root" -- "$@" >"$root.$mode.out" 2>"$root.$mode.err" </dev/null || code=$?
        codes[$mode]=$code
    done
    local detail=''
    for mode in inert active; do
        [ "${codes[$mode]}" = "${codes[native]}" ] ||
            detail+="exit code: native ${codes[native]}, $mode ${codes[$mode]}"$'\n'
        detail+=$(differences "$root.native.out" "$root.$mode.out" "$mode (stdout)")
        detail+=$(differences "$root.native.err" "$root.$mode.err" "$mode (stderr)")
    done
    # A command that could not run would be equal three times.
    if [ "${codes[native]}" -ne "${TWIN_EXIT:-0}" ]; then
        detail+="exit code ${codes[native]} natively, ${TWIN_EXIT:-0} was expected: $(head -n 5 "$root.native.err")"
    fi
    if [ -z "$detail" ]; then
        pass "$name"
    else
        printf '%s\n' "$detail" | fail "$name"
    fi
}

# expect NAME MODE ROOT PROGRAM ARGUMENTS...: runs one of the programs; exit code 0 passes, 77 skips with the
# reason that it printed, everything else fails with what it printed.
expect() {
    local name=$1 mode=$2 root=$3 code=0
    shift 3
    fresh "$root"
    in_mode "$mode" "$root" -- "$@" >"$root.out" 2>&1 </dev/null || code=$?
    case $code in
        0) pass "$name" ;;
        77) skip "$name" "$(head -n 1 "$root.out")" ;;
        *) { echo "exit code $code"; cat "$root.out"; } | fail "$name" ;;
    esac
}
