#!/bin/sh
# Runs in the quickstart's module container: builds a hub token as the SDKs do, with a signature from the workload socket.
set -eu
resource=$(printf '%s' "$IOTEDGE_IOTHUBHOSTNAME/devices/$IOTEDGE_DEVICEID/modules/$IOTEDGE_MODULEID" |
    sed 's,/,%2F,g; s,:,%3A,g')
expiry=$(($(date +%s) + 3600))
data=$(printf '%s\n%s' "$resource" "$expiry" | base64 | tr -d '\n')
answer=$(curl -sS --fail-with-body --unix-socket /run/workload.sock \
    -d "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\",\"data\":\"$data\"}" \
    "http://workload.sock/modules/$IOTEDGE_MODULEID/genid/$IOTEDGE_MODULEGENERATIONID/sign?api-version=2019-01-30")
digest=$(printf '%s' "$answer" | sed 's/.*"digest":"\([^"]*\)".*/\1/; s/+/%2B/g; s,/,%2F,g; s/=/%3D/g')
printf 'SharedAccessSignature sr=%s&sig=%s&se=%s\n' "$resource" "$digest" "$expiry"
