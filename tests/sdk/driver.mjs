// Answers for the TypeScript SDK, compiled to the module that the first argument names.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const sdk = await import(pathToFileURL(process.argv[2]));

async function answer([kind, ...words]) {
  if (kind === "proof") {
    const [token, tokenId, clientNonce, serverNonce, fingerprint] = words;
    const exchange = { tokenId, clientNonce, serverNonce, fingerprint };
    return `${await sdk.serverProof(token, exchange)} ${await sdk.clientProof(token, exchange)}`;
  }
  const frame = new Uint8Array(Buffer.from(words[0], "hex"));
  try {
    const again = kind === "value" ? sdk.pack(sdk.unpack(frame))
      : sdk.encode(kind === "server" ? sdk.decode(frame) : sdk.decodeClient(frame));
    return `again ${Buffer.from(again).toString("hex")}`;
  } catch (error) {
    if (!(error instanceof sdk.ProtocolError)) throw error;
    return `refused ${error.code} ${error.field}`;
  }
}

for await (const line of createInterface({ input: process.stdin })) console.log(await answer(line.split(" ")));
