// What checks say: assertions that tell what came instead.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";

import { Link, MSGPACK_V1 } from "../bridge.mjs";

export const TOOL = { kind: "tool", name: "node-client", version: "1" };

export const identify = (link, more = {}) => ({
  type: "identify",
  protocol: 1,
  client: TOOL,
  instance: randomBytes(8).toString("hex"),
  auth: link.auth,
  ...more,
});

/** The bytes of the first file. */
export const normalMap = ({ root, files }) => readFileSync(path.join(root, files[0]));

/** A link that has identified. */
export async function identified(info, protocol = MSGPACK_V1, more = {}) {
  const link = await Link.open(info, protocol);
  link.send(identify(link, more));
  link.ready = await link.take((m) => m.type === "ready", "ready");
  return link;
}

/** The link is closed with `code`, and the reason names `field`. */
export async function closes(link, code, field = "", ms = undefined) {
  const end = await link.closed(ms);
  assert.equal(end.code, code, `closed with ${end.code} (${end.reason}) instead of ${code}`);
  assert.ok(Buffer.byteLength(end.reason) <= 123, `the reason is too long: ${end.reason}`);
  assert.ok(end.reason.includes(field), `the reason doesn't name ${field}: ${end.reason}`);
  return end.reason;
}

/** The link still serves: a request is answered. */
export async function alive(link, id = 900) {
  link.send({ type: "request", id, workload: "bridge.echo", params: { value: "alive" } });
  const answer = await link.take((m) => m.type === "result" && m.id === id, "an echo");
  assert.equal(answer.value, "alive");
  return answer;
}
