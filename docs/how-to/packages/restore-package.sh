#!/bin/sh
# Puts the version of a Debian package back that was there before this run; a host that this run has not changed is left alone.
# usage: restore-package.sh PACKAGE RUN
set -eu
package=$1 before=before.$2.$1
export DEBIAN_FRONTEND=noninteractive

present() { dpkg-query -W -f='${db:Status-Abbrev}${Version}\n' "$package" 2>/dev/null | sed -n 's/^.i *//p'; }

if [ ! -d "$before" ]; then
    echo "this run has changed nothing here"
    exit 0
fi
version='' file=''
for file in "$before"/*.deb; do
    [ -e "$file" ] && version=$(dpkg-deb -f "$file" Version)
done
if [ "$(present)" = "$version" ]; then
    echo "$package was not changed"
elif [ -n "$version" ]; then
    apt-get install -qq --allow-downgrades --no-install-recommends \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "./$file"
else
    apt-get remove -qq "$package"
fi
[ "$(present)" = "$version" ] || { echo "$package is not ${version:-absent} again" >&2; exit 1; }
rm -r "$before"
echo "$package is ${version:-absent} again"
