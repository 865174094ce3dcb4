#!/usr/bin/env bash
# Each header compiles alone, in any order.
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0
while IFS= read -r header; do
    gcc -std=gnu17 -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -Werror -x c -I. -Iedged -Ihsm/include -Ihsm -Itests \
        -Itests/support "$header" || { printf '%s does not compile alone\n' "$header"; status=1; }
done < <(git ls-files --cached --others --exclude-standard '*.h')
exit "$status"
