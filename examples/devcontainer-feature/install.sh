#!/bin/sh
# Installs what lies beside this script: liblockspan.so and, where they are there, the commands. Run as root, when the
# dev container's image is built.
set -eu
cd "$(dirname "$0")"

if [ ! -f liblockspan.so ]; then
    echo "lockspan: liblockspan.so is not in the feature: copy it there as README.md says" >&2
    exit 1
fi
mkdir -p /usr/local/lib /usr/local/bin
cp liblockspan.so /usr/local/lib/liblockspan.so
chmod 0755 /usr/local/lib/liblockspan.so
for command in lockspan claude-shared; do
    if [ -f "$command" ]; then
        cp "$command" "/usr/local/bin/$command"
        chmod 0755 "/usr/local/bin/$command"
    fi
done
