# shellcheck shell=bash
# What the set-up scripts share: named steps with a log, and Debian packages. Sourced by quickstart and tests/run.
#
# The caller sets LOG_DIR before the first step.
# shellcheck disable=SC2034  # the lists are used by those who source this

PACKAGES_BUILD=(build-essential cmake ninja-build pkg-config libtss2-dev libuv1-dev libssl-dev
    libcurl4-openssl-dev libcjson-dev libyaml-dev libhttp-parser-dev)
PACKAGES_EMULATION=(libtss2-tcti-swtpm0 swtpm swtpm-tools python3-cryptography busybox-static docker.io
    curl ca-certificates)

say() {
    printf '%s\n' "$*"
}

# step NAME COMMAND...: runs a command with its output in a log of its own; on failure says which step failed, the
# end of the log and where it is.
step() {
    local name=$1 log start=$SECONDS
    shift
    log="$LOG_DIR/$(printf '%s' "$name" | tr -cs 'A-Za-z0-9' '-').log"
    printf '%-58s ' "$name ..."
    if "$@" >"$log" 2>&1; then
        printf 'done (%d s)\n' $((SECONDS - start))
        return 0
    fi
    printf 'FAILED\n\n'
    tail -n 20 "$log" >&2
    printf '\nStep "%s" failed; the whole log is %s\n' "$name" "$log" >&2
    return 1
}

missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            printf '%s\n' "$package"
    done
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        printf 'These packages are missing, and only root can install them: %s\n' "${missing[*]}" >&2
        return 1
    fi
    printf 'installing: %s\n' "${missing[*]}"
    # Services of the packages are not wanted here: what is needed is started by hand with data of its own.
    printf '#!/bin/sh\nexit 101\n' >"$LOG_DIR/policy-rc.d"
    local blocked=no
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        install -m 755 "$LOG_DIR/policy-rc.d" /usr/sbin/policy-rc.d
        blocked=yes
    fi
    local status=0
    DEBIAN_FRONTEND=noninteractive apt-get -q update &&
        DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" ||
        status=1
    [ "$blocked" = yes ] && rm -f /usr/sbin/policy-rc.d
    return "$status"
}
