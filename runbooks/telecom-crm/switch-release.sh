#!/bin/sh
# Lets `current` lead to a release, and remembers for this run where it led before. A second time changes nothing more.
# usage: switch-release.sh RELEASE RUN
set -eu
release=releases/$1 before=before.$2

[ -f "$release/VERSION" ] || { echo "release $1 is not installed here" >&2; exit 1; }
if [ ! -f "$before" ]; then
    readlink current > "$before.part"
    mv "$before.part" "$before"
fi
ln -sfn "$release" current.new
mv -T current.new current
sh current/bin/health
echo "$(cat "$before") -> $release"
