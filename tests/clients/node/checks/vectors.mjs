// Every frame of tests/vectors/messages that a server must refuse, sent to a running one.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

import { JSON_V1, MSGPACK_V1, proofs, tokenId } from "../bridge.mjs";
import * as msgpack from "../msgpack.mjs";
import { identified } from "./expect.mjs";

const folder = new URL("../../../vectors/messages/", import.meta.url);

/** [file, vector] of all. */
function vectors() {
  return readdirSync(folder).flatMap((file) =>
    JSON.parse(readFileSync(new URL(file, folder), "utf8")).map((vector) => [file, vector]),
  );
}

async function wrong(info, file, vector, protocol) {
  const bytes = protocol === JSON_V1 ? vector.json : vector.msgpack;
  if (bytes === null) return [];
  const link = await identified(info, protocol);
  link.raw(Buffer.from(bytes, protocol === JSON_V1 ? "utf8" : "hex"));
  const { code, reason } = await link.closed();
  if (code === vector.close && reason.includes(vector.field)) return [];
  return [`${file} ${vector.name} ${protocol}: ${code} (${reason}), not ${vector.close} (${vector.field})`];
}

export const checks = {
  "the proofs of tokens are those of proof.json"() {
    const known = JSON.parse(readFileSync(new URL("../proof.json", folder), "utf8"));
    for (const { name, token, ...v } of known) {
      assert.equal(tokenId(token), v.id, name);
      const { server, client } = proofs(token, v.client_nonce, v.server_nonce, v.fingerprint);
      assert.deepEqual([server, client], [v.server_proof, v.client_proof], name);
    }
    return known.length;
  },

  "accepted vectors mean the same in both subprotocols"() {
    const base64 = (_, value) => {
      if (typeof value === "bigint") return Number(value); // as far as JSON.parse reads it
      return value?.type === "Buffer" ? Buffer.from(value.data).toString("base64") : value;
    };
    const accepted = vectors().filter(([, { close, msgpack: hex, json }]) => !close && hex && json);
    for (const [file, { name, msgpack: hex, json }] of accepted) {
      const decoded = JSON.parse(JSON.stringify(msgpack.decode(Buffer.from(hex, "hex")), base64));
      assert.deepEqual(decoded, JSON.parse(json), `${file} ${name}`);
    }
    return accepted.length;
  },

  async "every vector that a server must refuse is refused as it says"({ info }) {
    const refused = vectors().filter(([, v]) => v.close && v.receivers.includes("server"));
    const found = [];
    for (const [file, vector] of refused) {
      for (const protocol of [MSGPACK_V1, JSON_V1]) found.push(...(await wrong(info, file, vector, protocol)));
    }
    assert.deepEqual(found, []);
    return refused.length;
  },
};
