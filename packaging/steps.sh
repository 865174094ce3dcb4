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

# Services of the packages are not wanted here: what is needed is started by hand with data of its own. A file of
# this name that somebody else made stays as it is.
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="# edged set-up: no service while packages are installed"

forbid_services() {
    [ -e "$POLICY" ] && return 0
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY" && chmod 755 "$POLICY"
}

allow_services() {
    ! grep -qsxF "$POLICY_MARK" "$POLICY" || rm -f "$POLICY"
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
    # In a shell of its own, so that an interrupted installation clears up as well.
    (
        trap allow_services EXIT
        trap 'exit 130' HUP INT TERM
        export DEBIAN_FRONTEND=noninteractive
        # An earlier installation may have been interrupted, and a fresh machine may be busy with its updates.
        forbid_services && dpkg --configure -a && apt-get -q update &&
            apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
    )
}
