'use strict';
/*
 * A module written with the public device SDK, as far as its authentication goes: prints a hub token
 * and the trust bundle as one JSON line. Runs inside the module's container; the environment is the one
 * that edgeAgent gives a module.
 */
const { IotEdgeAuthenticationProvider } = require('azure-iot-device/dist/iotedge_authentication_provider');

const config = {
  workloadUri: process.env.IOTEDGE_WORKLOADURI,
  deviceId: process.env.IOTEDGE_DEVICEID,
  moduleId: process.env.IOTEDGE_MODULEID,
  iothubHostName: process.env.IOTEDGE_IOTHUBHOSTNAME,
  authScheme: process.env.IOTEDGE_AUTHSCHEME,
  gatewayHostName: process.env.IOTEDGE_GATEWAYHOSTNAME,
  generationId: process.env.IOTEDGE_MODULEGENERATIONID,
};

const provider = new IotEdgeAuthenticationProvider(config, 600, 60);

function fail(error) {
  console.log(JSON.stringify({ error: String(error), status: error.response ? error.response.statusCode : null }));
  provider.stop();
}

provider.getDeviceCredentials((error, credentials) => {
  if (error) {
    fail(error);
    return;
  }
  provider.getTrustBundle((bundleError, bundle) => {
    if (bundleError) {
      fail(bundleError);
      return;
    }
    console.log(JSON.stringify({ token: credentials.sharedAccessSignature, bundle }));
    provider.stop();
  });
});
