# For tests of the programs with raw sites: their tables and the event log. Sourced after common.bash.
# shellcheck shell=bash

# The ways in which they are linked that can be had here.
raw_kinds() {
    local kind
    for kind in pie no_pie musl; do
        [ ! -d "$BUILD/raw/$kind" ] || printf '%s\n' "$kind"
    done
}

# tell_missing PREFIX: a skip for the ways that cannot be had.
tell_missing() {
    [ -d "$BUILD/raw/musl" ] || skip "$1/musl" 'musl-gcc is not installed'
}

# Whether there is something to test here; a skip by this name where there is not.
can_patch() {
    if [ ! -d "$BUILD/raw" ]; then
        skip "$1" 'the programs with raw calls are written for x86-64'
    elif ! grep -qwm1 xsave /proc/cpuinfo; then
        skip "$1" 'this processor has no XSAVE: nothing is patched without it'
    else
        return 0
    fi
    return 1
}

# raw_table PROGRAM DIRECTORY [DAMAGE]: writes the program's table into the directory, where the library looks.
raw_table() {
    local program=$1 directory=$2 id
    shift 2
    mkdir -p "$directory"
    id=$("$(dirname "${BASH_SOURCE[0]}")/sites_table" "$program" | sed -n 's/^build-id //p')
    "$(dirname "${BASH_SOURCE[0]}")/sites_table" "$program" "$@" >"$directory/$id.sites"
}

# events FILE EVENT: how many lines of the log have this event and a reason.
events() {
    [ -e "$1" ] || { echo 0; return; }
    grep -cE "\"event\":\"$2\",\"detail\":\"[^\"]+\"" "$1" || [ $? -eq 1 ]
}

# wrong_events FILE PATCHED BLIND: says what is in the log if it is not so many of each.
wrong_events() {
    local patched blind
    patched=$(events "$1" patched)
    blind=$(events "$1" blind)
    if [ "$patched $blind" != "$2 $3" ]; then
        printf 'events: %s patched and %s blind, not %s and %s\n' "$patched" "$blind" "$2" "$3"
        [ ! -e "$1" ] || grep -E '"(patched|blind)"' "$1" || [ $? -eq 1 ]
    fi
}

# note TEXT: adds lines to the caller's `detail`, if there are any.
note() { [ -z "$1" ] || detail+=$1$'\n'; }

# verdict NAME DETAIL: passed where there is nothing to say.
verdict() {
    if [ -z "$2" ]; then pass "$1"; else printf '%s\n' "$2" | fail "$1"; fi
}

# raw_program KIND NAME: where it is.
raw_program() { printf '%s/raw/%s/%s' "$BUILD" "$1" "$2"; }

# raw_expect NAME MODE ROOT PATCHED BLIND [NAME=VALUE...] -- COMMAND...: as expect, with the tables of ROOT.tables, and
# as many events of both kinds.
raw_expect() {
    local name=$1 mode=$2 root=$3 patched=$4 blind=$5 code=0 detail='' settings=()
    shift 5
    while [ "$1" != -- ]; do
        settings+=("$1")
        shift
    done
    shift
    fresh "$root"
    ${RAW_SETUP:+"$RAW_SETUP" "$root"}
    in_mode "$mode" "$root" "LOCKSPAN_SITES=$root.tables" "LOCKSPAN_EVENTS=$root/events" ${settings[@]+"${settings[@]}"} \
        -- "$@" >"$root.out" 2>&1 </dev/null || code=$?
    if [ $code = 77 ]; then
        skip "$name" "$(head -n 1 "$root.out")"
        return
    fi
    [ $code = 0 ] || detail+="exit code $code"$'\n'$(cat "$root.out")$'\n'
    note "$(wrong_events "$root/events" "$patched" "$blind")"
    verdict "$name" "$detail"
}
