#!/bin/sh
# Installs one version of a Debian package. The version that is there now is fetched before, so that the way back needs no repository.
# A second time changes nothing more. usage: install-package.sh PACKAGE VERSION RUN
set -eu
package=$1 version=$2 before=before.$3.$1
export DEBIAN_FRONTEND=noninteractive

present() { dpkg-query -W -f='${db:Status-Abbrev}${Version}\n' "$package" 2>/dev/null | sed -n 's/^.i *//p'; }

now=$(present)
if [ "$now" = "$version" ]; then
    echo "$package $version is installed already"
    exit 0
fi
if [ ! -d "$before" ]; then
    rm -rf "$before.part"
    mkdir "$before.part"
    if [ -n "$now" ]; then
        (cd "$before.part" && apt-get -qq -o APT::Sandbox::User=root download "$package=$now") || {
            echo "$package $now, which is here now, cannot be had again: nothing was changed" >&2
            exit 1
        }
    fi
    mv "$before.part" "$before"
fi
apt-get install -qq --allow-downgrades --no-install-recommends \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$package=$version"
[ "$(present)" = "$version" ] || { echo "$package is ${now:-absent}, not $version" >&2; exit 1; }
echo "$package ${now:-(absent)} -> $version"
