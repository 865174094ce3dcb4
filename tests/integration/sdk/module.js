'use strict';
/*
 * A module written with the public device SDK: is created from its environment, connects to edgeHub, sends the text
 * that it is given, and prints what came of it as one JSON line.
 */
const { ModuleClient, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { NoRetry } = require('azure-iot-common');

async function run(text) {
  const client = await ModuleClient.fromEnvironment(Mqtt);
  client.setRetryPolicy(new NoRetry());
  await client.open();
  await client.sendOutputEvent('readings', new Message(text));
  await client.close();
  return { sent: text };
}

/* The SDK wraps what the transport said. */
function describe(error) {
  const parts = [];
  for (let e = error; e; e = e.transportError || e.innerError || e.cause) {
    parts.push(`${e.name} ${e.code || ''} ${e.message}`);
  }
  return { error: parts.join(' < ') };
}

run(process.argv[2]).catch(describe).then((answer) => {
  console.log(JSON.stringify(answer));
  process.exit(0);
});
