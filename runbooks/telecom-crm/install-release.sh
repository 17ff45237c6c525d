#!/bin/sh
# Puts a release beside the running one; nothing serves from it before `current` leads there.
# usage: install-release.sh RELEASE
set -eu
release=$1
folder=releases/$release

if [ -f "$folder/VERSION" ] && [ "$(cat "$folder/VERSION")" = "$release" ]; then
    echo "release $release is installed already"
    exit 0
fi
mkdir -p "$folder/bin"
cp -p current/bin/health "$folder/bin/health"
printf '%s\n' "$release" > "$folder/VERSION.part"
mv "$folder/VERSION.part" "$folder/VERSION"
echo "release $release is installed"
