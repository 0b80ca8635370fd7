// What the server refuses, and how it says so.
import assert from "node:assert/strict";

import { JSON_V1, Link, MSGPACK_V1 } from "../bridge.mjs";
import * as msgpack from "../msgpack.mjs";
import { BINARY, Refused, TEXT, WebSocket } from "../websocket.mjs";
import { alive, closes, identified, identify, normalMap } from "./expect.mjs";

/** The handshake is refused with `status` and words for people. */
async function refused(info, status, protocols, headers) {
  const error = await WebSocket.open(info.ws, protocols, headers).then(
    () => assert.fail("the handshake went through"),
    (e) => e,
  );
  assert.ok(error instanceof Refused, String(error));
  assert.equal(error.status, status);
  const { message } = JSON.parse(error.body);
  assert.ok(message.length > 0);
  return message;
}

/** An identify with `more` closes with `code`. */
async function identifying(info, code, field, more, protocol) {
  const link = await Link.open(info, protocol);
  link.send(identify(link, more));
  return closes(link, code, field);
}

/** A message after `ready` closes with `code`, in both subprotocols. */
async function sending(info, code, field, message) {
  const reasons = [];
  for (const protocol of [MSGPACK_V1, JSON_V1]) {
    const link = await identified(info, protocol);
    link.send(message);
    reasons.push(await closes(link, code, field));
  }
  return reasons[0];
}

const client = { kind: "tool", name: "n", version: "1" };

export const checks = {
  "no subprotocol is HTTP 400": ({ info }) => refused(info, 400, []),
  "an unknown subprotocol is HTTP 400": ({ info }) => refused(info, 400, ["bridge.v2.json"]),
  "an Origin is HTTP 403": ({ info }) => refused(info, 403, [JSON_V1], { Origin: "https://example.org" }),
  "a foreign Host is HTTP 403": ({ info }) => refused(info, 403, [JSON_V1], { Host: "example.org" }),

  async "the first known subprotocol is taken, and no extension"({ info }) {
    const headers = { "Sec-WebSocket-Extensions": "permessage-deflate" };
    for (const protocol of [JSON_V1, MSGPACK_V1]) {
      const others = [JSON_V1, MSGPACK_V1].filter((other) => other !== protocol);
      const ws = await WebSocket.open(info.ws, ["chat", protocol, ...others], headers);
      assert.equal(ws.protocol, protocol);
      assert.equal(ws.extensions, undefined);
      ws.drop();
    }
  },

  "a wrong token is 4009": ({ info }) => identifying(info, 4009, "", { auth: { token: "wrong" } }),
  "no token and no proof is refused": async ({ info }) => {
    const link = await Link.open(info);
    link.send(identify(link, { auth: {} }));
    const { code, reason } = await link.closed();
    assert.ok([4009, 4003].includes(code), `closed with ${code} (${reason})`);
    return `${code} ${reason}`;
  },
  async "a proof over another nonce is 4009"({ info }) {
    const { auth } = await Link.open(info);
    return identifying(info, 4009, "", { auth });
  },
  "another protocol is 4010": ({ info }) => identifying(info, 4010, "", { protocol: 2 }),
  "a required feature that isn't there is 4012": ({ info }) =>
    identifying(info, 4012, "telepathy", { features: ["blobs", "telepathy"] }),
  "resuming a session that never was is 4011": ({ info }) =>
    identifying(info, 4011, "", { resume: { session: "never", token: "x", last_seq: 0 } }),

  async "a message before identify is 4007"({ info }) {
    const link = await Link.open(info);
    link.send({ type: "ack", seq: 1 });
    return closes(link, 4007);
  },
  async "identifying twice is 4008"({ info }) {
    const link = await identified(info);
    link.send(identify(link));
    return closes(link, 4008);
  },

  "a missing client is 4003": ({ info }) => identifying(info, 4003, "client", { client: undefined }),
  "a missing field inside a part is 4003": ({ info }) =>
    identifying(info, 4003, "kind", { client: { ...client, kind: undefined } }),
  "a missing workload is 4003": ({ info }) => sending(info, 4003, "workload", { type: "request", id: 1 }),
  "a missing id is 4003": ({ info }) => sending(info, 4003, "id", { type: "cancel" }),
  "a message without type is 4003": ({ info }) => sending(info, 4003, "type", { id: 1 }),
  "a text for a number is 4004": ({ info }) => sending(info, 4004, "seq", { type: "ack", seq: "1" }),
  "null where the type has none is 4004": ({ info }) =>
    sending(info, 4004, "deadline_ms", { type: "request", id: 1, workload: "bridge.echo", deadline_ms: null }),
  async "a float for an int is 4004"({ info }) {
    const link = await identified(info);
    link.raw(msgpack.encode({ type: "ack", seq: new msgpack.Float(1) }));
    return closes(link, 4004, "seq");
  },
  "a list for a message is 4004": ({ info }) => sending(info, 4004, "", [{ type: "cancel", id: 1 }]),
  "a choice that isn't one is 4005": ({ info }) =>
    sending(info, 4005, "priority", { type: "request", id: 1, workload: "bridge.echo", priority: "now" }),
  "a number out of range is 4005": ({ info }) => sending(info, 4005, "id", { type: "cancel", id: -1 }),
  "a seq that was never sent is 4005": ({ info }) => sending(info, 4005, "seq", { type: "ack", seq: 1000 }),
  "a malformed blob name is 4005": ({ info }) =>
    sending(info, 4005, "blob", {
      type: "request",
      id: 1,
      workload: "image.inspect",
      inputs: [{ name: "a", blob: "ABC" }],
    }),
  async "an id that is open is 4005"(world) {
    const link = await identified(world.info);
    const inputs = [{ name: "map", data: normalMap(world) }];
    const twice = link.pack({ type: "request", id: 1, workload: "image.inspect", inputs, cache: false });
    link.ws.socket.cork();
    link.raw(twice);
    link.raw(twice);
    link.ws.socket.uncork();
    return closes(link, 4005, "id");
  },
  "an unknown type is 4006": ({ info }) => sending(info, 4006, "teleport", { type: "teleport", id: 1 }),
  "a type that only servers send is 4006": ({ info }) =>
    sending(info, 4006, "popup_close", { type: "popup_close", id: 1, reason: "expired" }),

  async "what can't be decoded is 4002"({ info }) {
    const binary = await identified(info);
    binary.raw(Buffer.of(0x82, 0xa4));
    const text = await identified(info, JSON_V1);
    text.raw(Buffer.from('{"type":'));
    return [await closes(binary, 4002), await closes(text, 4002)].join(" / ");
  },
  async "a frame of the wrong kind is 4002"({ info }) {
    const binary = await identified(info);
    binary.raw(Buffer.from('{"type":"ack","seq":1}'), TEXT);
    const text = await identified(info, JSON_V1);
    text.raw(msgpack.encode({ type: "ack", seq: 1 }), BINARY);
    return [await closes(binary, 4002), await closes(text, 4002)].join(" / ");
  },
  async "an extension type of msgpack is 4002"({ info }) {
    const link = await identified(info);
    const head = msgpack.encode({ type: "event", name: "x", data: { at: 0 } });
    link.raw(Buffer.concat([head.subarray(0, -1), Buffer.of(0xd6, 0xff, 0, 0, 0, 0)]));
    return closes(link, 4002);
  },

  async "a frame over the limit is 1009, and one at the limit is taken"({ info }) {
    for (const protocol of [MSGPACK_V1, JSON_V1]) {
      const link = await identified(info, protocol);
      const event = (size) => ({ type: "event", name: "test.large", data: { pad: "x".repeat(size) } });
      const { frame } = link.hello.limits;
      const fits = frame - (link.pack(event(100_000)).length - 100_000);
      link.send(event(fits));
      await alive(link);
      link.send(event(fits + 1));
      await closes(link, 1009);
    }
  },
  async "64 fragments are taken, and 65 are 1008"({ info }) {
    const link = await identified(info);
    const event = link.pack({ type: "event", name: "test.fragments", data: { pad: "x".repeat(6500) } });
    link.ws.sendFragments(event, BINARY, 64);
    await alive(link);
    link.ws.sendFragments(event, BINARY, 65);
    return closes(link, 1008);
  },
};
