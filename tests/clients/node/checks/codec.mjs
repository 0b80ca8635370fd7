// The codec against the examples of the documents.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { proofs } from "../bridge.mjs";
import * as msgpack from "../msgpack.mjs";

const page = readFileSync(new URL("../../../../docs/reference/protocol.md", import.meta.url), "utf8");

/** [message, bytes] of each message of "A whole exchange". */
function exchange() {
  const part = page.slice(page.indexOf("## A whole exchange"));
  const pattern = /```json\n(.*)\n```\s+```text\n([^`]*)\n```/g;
  return [...part.matchAll(pattern)].map(([, json, dump]) => {
    const hex = dump.split("\n").map((line) => line.slice(0, 47).replaceAll(" ", ""));
    return [JSON.parse(json), Buffer.from(hex.join(""), "hex")];
  });
}

const plain = (value) => JSON.parse(JSON.stringify(value));

export const checks = {
  "the examples' bytes are the examples' messages"() {
    const found = exchange();
    assert.ok(found.length >= 6);
    for (const [message, bytes] of found) assert.deepEqual(plain(msgpack.decode(bytes)), message);
    return found.length;
  },

  "every kind of value survives msgpack"() {
    const values = [0, 127, 128, 255, 256, 65535, 65536, 2 ** 32, 2 ** 53 - 1, 2n ** 64n - 1n, -1, -32, -33, -128];
    values.push(-129, -32769, -(2 ** 31) - 1, -(2n ** 63n), 1.5, true, false, null, "", "ä".repeat(300), [1, [2]]);
    values.push("x".repeat(70000), Buffer.alloc(300, 7), Array(70000).fill(1), "a\u0000b", "𝄞");
    for (const value of values) assert.deepEqual(msgpack.decode(msgpack.encode(value)), value);
    const map = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]));
    assert.deepEqual(plain(msgpack.decode(msgpack.encode(map))), map);
  },

  "the example's proofs are right"() {
    const [, example] = /An example, with more(.*?)\n\n/s.exec(page);
    const [, token, clientNonce, serverNonce, server, client] = [...example.matchAll(/`([^`]+)`/g)].map(([, t]) => t);
    assert.deepEqual(proofs(token, clientNonce, serverNonce), { server, client });
  },
};
