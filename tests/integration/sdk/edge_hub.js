'use strict';
/*
 * Plays edgeHub as far as a module's connection goes: gets server certificates from the daemon and is an MQTT broker
 * over TLS with them, which verifies passwords with the keys that the hub holds. Runs inside edgeHub's container with
 * the environment that edgeAgent gives a module.
 *
 *   edge_hub.js SETTINGS JOURNAL
 *
 * SETTINGS is {"servers": [{"address", "commonName"} or {"address", "cert", "key"}], "keys": {module: base64 key}}.
 * What happens goes to JOURNAL, one JSON object a line.
 */
const aedes = require('aedes')();
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const tls = require('tls');

const PORT = 8883;
const API = 'api-version=2019-01-30';
const DAY_MS = 86400000;
const settings = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

function note(event) {
  fs.appendFileSync(process.argv[3], `${JSON.stringify(event)}\n`);
}

function post(path, body) {
  const socketPath = process.env.IOTEDGE_WORKLOADURI.replace('unix://', '');
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method: 'POST', path, headers: { 'Content-Type': 'application/json' } });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => { text += piece; });
      response.on('end', () => {
        if (response.statusCode === 201) {
          resolve(JSON.parse(text));
        } else {
          reject(new Error(`${response.statusCode} ${text}`));
        }
      });
    });
    request.end(JSON.stringify(body));
  });
}

/* As edgeHub does: the longest life there is. */
async function credentials(server) {
  if (server.cert) {
    return { cert: server.cert, key: server.key };
  }
  const name = encodeURIComponent(process.env.IOTEDGE_MODULEID);
  const generation = encodeURIComponent(process.env.IOTEDGE_MODULEGENERATIONID);
  const answer = await post(`/modules/${name}/genid/${generation}/certificate/server?${API}`, {
    commonName: server.commonName,
    expiration: new Date(Date.now() + 90 * DAY_MS).toISOString(),
  });
  return { cert: answer.certificate, key: answer.privateKey.bytes };
}

/* What is wrong with a password, or "". */
function refusal(clientId, username, password) {
  const hub = process.env.IOTEDGE_IOTHUBHOSTNAME;
  const [device, module] = clientId.split('/');
  if (!username.startsWith(`${hub}/${device}/${module}/?api-version=`)) {
    return `user name ${username}`;
  }
  const key = settings.keys[module];
  const token = new URLSearchParams(password.replace(/^SharedAccessSignature /, ''));
  const resource = `${hub}/devices/${device}/modules/${module}`;
  if (key === undefined || token.get('sr') !== resource) {
    return `resource ${token.get('sr')}`;
  }
  if (Number(token.get('se')) * 1000 < Date.now()) {
    return 'expired';
  }
  const text = `${encodeURIComponent(resource)}\n${token.get('se')}`;
  const expected = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest();
  const got = Buffer.from(token.get('sig'), 'base64');
  return got.length === expected.length && crypto.timingSafeEqual(got, expected) ? '' : 'signature';
}

aedes.authenticate = (client, username, password, done) => {
  const reason = refusal(client.id, String(username), String(password));
  note({ event: 'login', client: client.id, reason });
  if (reason) {
    const error = new Error(reason);
    error.returnCode = 5;
    done(error, false);
  } else {
    done(null, true);
  }
};

aedes.on('publish', (packet, client) => {
  if (client) {
    note({ event: 'message', client: client.id, topic: packet.topic, text: packet.payload.toString() });
  }
});

async function listen(server) {
  const listener = tls.createServer(await credentials(server), aedes.handle);
  listener.on('tlsClientError', (error) => note({ event: 'broken', address: server.address, code: error.code }));
  listener.listen(PORT, server.address, () => note({ event: 'listens', address: server.address }));
}

Promise.all(settings.servers.map(listen)).catch((error) => {
  note({ event: 'failed', error: String(error) });
  process.exit(1);
});
